import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type LabelledRows, logisticRegressionTrainer, type TrainingTask } from "@fedloop/client-runtime";
import { strategyFor } from "@fedloop/coordinator/simulation";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { budgetFor, noiseForReleases, PrivateSum } from "./private-sum.js";
import type { UtilityCase, UtilityOptions } from "./utility.js";
import { measured, sharedData } from "./utility-case.js";

const ROUNDS = 30;
const CLIP_NORM = 5;
/** Numbers that describe what a student has done before an answer. */
const FEATURES = 8;
/** What a student about whom nothing is known is taken to know: a round number, not the data's. */
const PRIOR = 0.65;

/** A student's answers, each described by those before it; the first has none before it and is left out. */
function rowsOf(skills: readonly number[], answers: readonly number[]): LabelledRows {
  const count = Math.max(answers.length - 1, 0);
  const features = new Float32Array(count * FEATURES);
  const right = new Map<number, number>();
  const tried = new Map<number, number>();
  const recentBySkill = new Map<number, number>();
  const last = new Map<number, number>();
  let rightInAll = 0;
  let recent = 0;
  let recentWeight = 0;
  answers.forEach((answer, t) => {
    const skill = skills[t] ?? 0;
    const times = tried.get(skill) ?? 0;
    if (t > 0) {
      features.set(
        [
          (rightInAll + 2 * PRIOR) / (t + 2) - PRIOR,
          ((right.get(skill) ?? 0) + 2 * PRIOR) / (times + 2) - PRIOR,
          recent / (recentWeight + 0.5),
          recentBySkill.get(skill) ?? 0,
          Math.log1p(times) / 3 - 0.3,
          Math.log1p(t) / 5 - 0.5,
          last.get(skill) ?? 0,
          skill === skills[t - 1] ? 0.5 : -0.5,
        ],
        (t - 1) * FEATURES,
      );
    }
    const surprise = answer - PRIOR;
    rightInAll += answer;
    right.set(skill, (right.get(skill) ?? 0) + answer);
    tried.set(skill, times + 1);
    recent = 0.8 * recent + surprise;
    recentWeight = 0.8 * recentWeight + 1;
    recentBySkill.set(skill, 0.6 * (recentBySkill.get(skill) ?? 0) + 0.4 * surprise);
    last.set(skill, answer === 1 ? 1 : -1);
  });
  return { features, labels: Uint8Array.from(answers.slice(1)), held: new Uint8Array(count) };
}

/** The format of Deep Knowledge Tracing: three lines a student, the count, the skills, the answers. */
function readStudents(path: string): readonly LabelledRows[] {
  const lines = gunzipSync(readFileSync(path)).toString("utf8").split("\n");
  const numbers = (line: string | undefined): number[] =>
    (line ?? "")
      .trim()
      .split(",")
      .filter((field) => field !== "")
      .map(Number);
  const students: LabelledRows[] = [];
  for (let at = 0; at + 2 < lines.length; at += 3)
    students.push(rowsOf(numbers(lines[at + 1]), numbers(lines[at + 2])));
  return students;
}

/** Area under the ROC curve of all answers together; ties count half. */
function pooledAuc(students: readonly LabelledRows[], parameters: Float32Array): number {
  const total = students.reduce((sum, { labels }) => sum + labels.length, 0);
  const scores = new Float64Array(total);
  const labels = new Uint8Array(total);
  let at = 0;
  for (const { features, labels: own } of students) {
    own.forEach((label, row) => {
      let score = parameters[FEATURES] ?? 0;
      for (let j = 0; j < FEATURES; j++) score += (parameters[j] ?? 0) * (features[row * FEATURES + j] ?? 0);
      scores[at] = score;
      labels[at] = label;
      at += 1;
    });
  }
  const order = Uint32Array.from(scores.keys()).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let ranks = 0;
  let positives = 0;
  for (let start = 0; start < total; ) {
    let end = start + 1;
    while (end < total && scores[order[end] ?? 0] === scores[order[start] ?? 0]) end += 1;
    for (let i = start; i < end; i++) {
      if (labels[order[i] ?? 0] === 1) {
        ranks += (start + end + 1) / 2;
        positives += 1;
      }
    }
    start = end;
  }
  return (ranks - (positives * (positives + 1)) / 2) / (positives * (total - positives));
}

/** Whether a student's next answer will be right: a logistic regression on what the device has seen of it. */
export async function assistmentsUtility(options: UtilityOptions): Promise<readonly UtilityCase[]> {
  const folder = sharedData("assistments-2009");
  if (folder === undefined) return [];
  const students = readStudents(join(folder, "builder_train.csv.gz"));
  const others = readStudents(join(folder, "builder_test.csv.gz"));
  const trainers = students.map((student) => logisticRegressionTrainer(student));
  const random = aesCtrRandom();
  const strategy = strategyFor({ id: "fedavg", settings: {} });
  const dimension = FEATURES + 1;
  const measurement = {
    dataset: "ASSISTments 2009",
    model: `logistic regression, ${dimension} weights`,
    metric: "pooled AUC",
    isHigherBetter: true,
    participants: students.length,
    releases: ROUNDS,
    references: { "8": 0.8168, "4": 0.8162, "2": 0.8131, "1": 0.798, none: 0.8166 },
    noiseMultiplierFor: (epsilon: number) => noiseForReleases(epsilon, ROUNDS),
    async train(noiseMultiplier: number, epsilon: number): Promise<number> {
      let parameters: Float32Array = new Float32Array(dimension);
      const budget = budgetFor(epsilon);
      const sum = new PrivateSum({ clipNorm: CLIP_NORM, noiseMultiplier, dimension, bits: 18, random, budget });
      for (let step = 1; step <= ROUNDS; step++) {
        for (const trainer of trainers) sum.add((await trainer.train(task(parameters))).update);
        const { noiseStdDev } = sum;
        const divisor = students.length;
        const result = { parameters, sum: sum.release(), divisor, noiseStdDev, step, steps: ROUNDS };
        ({ parameters } = strategy.apply({ ...result, state: new Float32Array(0) }));
      }
      return pooledAuc(others, parameters);
    },
  };
  return measured(measurement, options);
}

function task(parameters: Float32Array): TrainingTask {
  return {
    parameters,
    manifest: [],
    settings: { learningRate: 1, epochs: 1, weighting: "root" },
    updateLength: parameters.length,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}
