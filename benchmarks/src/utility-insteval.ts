import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { biasedFactorisationTrainer, type Trainer, type TrainingTask } from "@fedloop/client-runtime";
import { strategyFor } from "@fedloop/coordinator/simulation";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { budgetFor, noiseForReleases, PrivateSum } from "./private-sum.js";
import type { UtilityCase, UtilityOptions } from "./utility.js";
import { measured } from "./utility-case.js";

const ROUNDS = 4;
const CLIP_NORM = 5;
const BASE = 3.2;

interface Person {
  readonly items: Int32Array;
  readonly ratings: Float32Array;
  readonly held: Uint8Array;
}

/** Students in the order of their numbers; every fifth rating of each, in the file's order, is held back. */
function readPeople(): { readonly people: readonly Person[]; readonly items: number } {
  const path = fileURLToPath(new URL("../../../examples/data/insteval.csv.gz", import.meta.url));
  const [header = "", ...lines] = gunzipSync(readFileSync(path)).toString("utf8").trim().split("\n");
  const names = header.split(",").map((name) => name.replaceAll('"', ""));
  const [s, d, y] = ["s", "d", "y"].map((name) => names.indexOf(name));
  const rows = new Map<string, { item: number; rating: number }[]>();
  const items = new Map<string, number>();
  for (const line of lines) {
    const fields = line.split(",").map((field) => field.replaceAll('"', ""));
    const [student = "", lecturer = "", rating = ""] = [fields[s ?? 0], fields[d ?? 0], fields[y ?? 0]];
    const item = items.get(lecturer) ?? items.size;
    items.set(lecturer, item);
    const own = rows.get(student) ?? [];
    own.push({ item, rating: Number(rating) });
    rows.set(student, own);
  }
  const people = [...rows.values()].map((own) => ({
    items: Int32Array.from(own, ({ item }) => item),
    ratings: Float32Array.from(own, ({ rating }) => rating),
    held: Uint8Array.from(own, (_, i) => (i % 5 === 4 ? 1 : 0)),
  }));
  return { people, items: items.size };
}

function task(parameters: Float32Array, updateLength: number): TrainingTask {
  return {
    parameters,
    manifest: [],
    settings: { base: BASE, userRidge: 12, curvatureScale: 0.3, centre: 0, countScale: 1 },
    updateLength,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

/** Root mean squared error over all held-back ratings: exact, since the benchmark holds them all. */
async function errorOf(trainers: readonly Trainer[], parameters: Float32Array): Promise<number> {
  let squares = 0;
  let count = 0;
  for (const trainer of trainers) {
    const [square = 0, held = 0] = await trainer.evaluate(task(parameters, 2));
    squares += square;
    count += held;
  }
  return Math.sqrt(squares / count);
}

/** Lecture ratings: lecturer effects are shared, each student's own effect stays on the device. */
export async function instevalUtility(options: UtilityOptions): Promise<readonly UtilityCase[]> {
  const { people, items } = readPeople();
  const trainers = people.map((person) => biasedFactorisationTrainer(person));
  const random = aesCtrRandom();
  const strategy = strategyFor({
    id: "diagonal-newton",
    settings: { curvatureScale: 0.3, ridge: 5, priorVariance: 0.26, minimumCurvature: 10, denseTail: 1 },
  });
  const measurement = {
    dataset: "InstEval",
    model: "lecturer and student effects, diagonal Newton steps",
    metric: "RMSE",
    isHigherBetter: false,
    participants: people.length,
    releases: ROUNDS,
    references: { "8": 1.2144, "4": 1.2202, "2": 1.2328, "1": 1.2459 },
    noiseMultiplierFor: (epsilon: number) => noiseForReleases(epsilon, ROUNDS),
    async train(noiseMultiplier: number, epsilon: number): Promise<number> {
      let parameters: Float32Array = new Float32Array(items + 1);
      let state: Float32Array = new Float32Array(0);
      const dimension = strategy.updateLength(parameters.length);
      const budget = budgetFor(epsilon);
      const sum = new PrivateSum({ clipNorm: CLIP_NORM, noiseMultiplier, dimension, bits: 18, random, budget });
      for (let step = 1; step <= ROUNDS; step++) {
        for (const trainer of trainers) sum.add((await trainer.train(task(parameters, dimension))).update);
        const result = { parameters, sum: sum.release(), divisor: people.length, step, steps: ROUNDS, state };
        ({ parameters, state } = strategy.apply({ ...result, noiseStdDev: sum.noiseStdDev }));
      }
      return errorOf(trainers, parameters);
    },
  };
  return measured(measurement, options);
}
