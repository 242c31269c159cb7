// Logistic regression on a participant's own examples: few weights, which many participants can share under little noise.
import { ClientError, throwIfAborted } from "../errors.js";
import { descendWithNoise, type ExampleLevelModel, type ExampleLevelTask } from "./example-level.js";
import { isScoreReport, scoreReport } from "./score-report.js";
import { choiceSetting, integerSetting, realSetting } from "./settings.js";
import type { Trainer, TrainingTask } from "./trainer.js";

/** One participant's examples, row after row. */
export interface LabelledRows {
  /** `labels.length` rows of as many numbers as the model has weights, without its bias. */
  readonly features: Float32Array;
  /** 0 or 1. */
  readonly labels: Uint8Array;
  /** 1 where a row is kept for evaluation, 0 where it trains. */
  readonly held: Uint8Array;
}

/** How a participant's rows add up: each counts 1/n, 1/√n or 1. */
const WEIGHTINGS = ["mean", "root", "sum"] as const;

interface Rows {
  readonly data: LabelledRows;
  /** Numbers in a row. */
  readonly width: number;
  readonly training: Uint32Array;
  readonly evaluation: Uint32Array;
}

function rowsOf(data: LabelledRows): Rows {
  const { features, labels, held } = data;
  const width = labels.length === 0 ? 0 : features.length / labels.length;
  if (!Number.isInteger(width) || held.length !== labels.length || labels.some((label) => label > 1)) {
    throw new ClientError("BAD_OPTION", "expected labels of 0 or 1, as many of them as rows of features and of held");
  }
  const all = Uint32Array.from(labels.keys());
  return {
    data,
    width,
    training: all.filter((row) => held[row] !== 1),
    evaluation: all.filter((row) => held[row] === 1),
  };
}

/** P(label = 1) of a row; the bias is the last parameter. */
function predicted({ data, width }: Rows, row: number, parameters: Float64Array | Float32Array): number {
  let sum = parameters[width] ?? 0;
  for (let j = 0; j < width; j++) sum += (parameters[j] ?? 0) * (data.features[row * width + j] ?? 0);
  return 1 / (1 + Math.exp(-sum));
}

function addGradient(rows: Rows, row: number, weight: number, parameters: Float64Array, out: Float32Array): void {
  const { data, width } = rows;
  const error = weight * (predicted(rows, row, parameters) - (data.labels[row] ?? 0));
  for (let j = 0; j < width; j++) out[j] = (out[j] ?? 0) + error * (data.features[row * width + j] ?? 0);
  out[width] = (out[width] ?? 0) + error;
}

function requireModel({ data, width }: Rows, { parameters, updateLength }: TrainingTask): void {
  const due = data.labels.length === 0 ? parameters.length : width + 1;
  if (parameters.length === due && updateLength === due) return;
  throw new ClientError(
    "WRONG_LENGTH",
    `expected a model and an update of ${due} numbers, came ${parameters.length} and ${updateLength}`,
  );
}

function descend(rows: Rows, task: TrainingTask): Float32Array {
  const { settings, parameters } = task;
  const learningRate = realSetting(settings, "learningRate", 1);
  const epochs = integerSetting(settings, "epochs", 1, 1);
  const weighting = choiceSetting(settings, "weighting", WEIGHTINGS, "mean");
  const count = Math.max(rows.training.length, 1);
  const weight = weighting === "sum" ? 1 : weighting === "root" ? 1 / Math.sqrt(count) : 1 / count;
  const present = Float64Array.from(parameters);
  const gradient = new Float32Array(present.length);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    throwIfAborted(task.signal);
    gradient.fill(0);
    for (const row of rows.training) addGradient(rows, row, weight, present, gradient);
    gradient.forEach((value, j) => {
      present[j] = (present[j] ?? 0) - learningRate * value;
    });
    task.onProgress(epoch / epochs);
  }
  return Float32Array.from(present, (value, j) => value - (parameters[j] ?? 0));
}

async function exampleLevelUpdate(rows: Rows, task: TrainingTask, level: ExampleLevelTask): Promise<Float32Array> {
  const { parameters, settings } = task;
  const learningRate = realSetting(settings, "learningRate", 1);
  const present = Float64Array.from(parameters);
  const model: ExampleLevelModel = {
    examples: rows.training.length,
    dimension: parameters.length,
    gradient: (example, out) => addGradient(rows, rows.training[example] ?? 0, 1, present, out),
    step(mean) {
      for (let j = 0; j < present.length; j++) present[j] = (present[j] ?? 0) - learningRate * (mean[j] ?? 0);
    },
  };
  await descendWithNoise(model, level, task);
  return Float32Array.from(present, (value, j) => value - (parameters[j] ?? 0));
}

/** The model's scores of the rows kept for evaluation, beside their labels. */
function scored(rows: Rows, { parameters, updateLength }: TrainingTask): Float32Array {
  const { evaluation, data } = rows;
  return scoreReport(
    Float64Array.from(evaluation, (row) => predicted(rows, row, parameters)),
    evaluation.map((row) => data.labels[row] ?? 0),
    updateLength,
  );
}

/** [Σ log loss / n, share predicted right, 1] over the rows kept for evaluation. */
function evaluated(rows: Rows, { parameters, settings }: TrainingTask): Float32Array {
  const lossScale = realSetting(settings, "lossScale", 1);
  const { evaluation, data } = rows;
  if (evaluation.length === 0) return new Float32Array(3);
  let loss = 0;
  let right = 0;
  for (const row of evaluation) {
    const probability = predicted(rows, row, parameters);
    const label = data.labels[row] ?? 0;
    loss -= Math.log(Math.max(label === 1 ? probability : 1 - probability, 1e-7));
    right += probability > 0.5 === (label === 1) ? 1 : 0;
  }
  return Float32Array.of((lossScale * loss) / evaluation.length, right / evaluation.length, 1);
}

/**
 * Trains and evaluates a logistic regression on one participant's rows, by full gradient steps.
 *
 * Parameters: a weight for each number of a row, and the bias last. Update: the local change of each. Evaluation:
 * [lossScale · mean log loss, share predicted right, 1], or the scores' histograms where a plan's metric is `auc`. Settings (reals as decimal strings): `learningRate` 1, `epochs`
 * 1, `weighting` "mean", "root" or "sum" (a row counts 1/n, 1/√n or 1), `lossScale` 1. Under a plan whose unit is the example
 * it takes the plan's steps of DP-SGD, each row counting 1.
 *
 * @throws ClientError BAD_OPTION when the arrays do not fit each other
 */
export function logisticRegressionTrainer(data: LabelledRows): Trainer {
  const rows = rowsOf(data);
  return {
    id: "logistic-regression",
    isExampleLevel: true,
    async train(task) {
      throwIfAborted(task.signal);
      requireModel(rows, task);
      const { exampleLevel } = task;
      if (exampleLevel !== undefined) return { update: await exampleLevelUpdate(rows, task, exampleLevel) };
      return { update: descend(rows, task) };
    },
    async evaluate(task) {
      throwIfAborted(task.signal);
      if (isScoreReport(task.settings)) return scored(rows, task);
      if (task.updateLength !== 3) {
        throw new ClientError("WRONG_LENGTH", `expected an evaluation of 3 numbers, came one of ${task.updateLength}`);
      }
      const sums = evaluated(rows, task);
      task.onProgress(1);
      return sums;
    },
  };
}
