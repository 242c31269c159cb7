import type { OptimiserSettings } from "../../engine/plan/optimiser.js";
import { ClientError, throwIfAborted } from "../../errors.js";
import { isScoreReport, scoreReport } from "../score-report.js";
import { choiceSetting, integerSetting, realSetting } from "../settings.js";
import type { Trainer, TrainerSettings, TrainingTask } from "../trainer.js";
import { descendByExamples } from "./example-level.js";
import { countExamples, type Examples, epochOrder, sizeOf } from "./examples.js";
import type { LocalModel, Solver } from "./local-model.js";
import { OpenedModel } from "./opened-model.js";
import { Pause } from "./pause.js";

/** A trainer that holds a model until it is closed. */
export interface LayersTrainer extends Trainer {
  close(): void;
}

/** What a trainer of layers models is made of. */
export interface LayersTrainerOptions {
  readonly id: string;
  /** Brings the model to an engine, once. */
  readonly open: () => Promise<LocalModel>;
  readonly examples: Examples;
  readonly held?: Examples | undefined;
}

/** How many examples a step takes, by the plan. */
export function batchSizeOf(settings: TrainerSettings): number {
  return integerSetting(settings, "batchSize", 32, 1);
}

/** The optimiser that a plan's settings name. */
export function optimiserOf(settings: TrainerSettings): OptimiserSettings {
  const learningRate = realSetting(settings, "learningRate", 0.01);
  if (choiceSetting(settings, "optimiser", ["sgd", "adam"], "sgd") === "adam") return { type: "adam", learningRate };
  const momentum = realSetting(settings, "momentum", 0);
  return momentum === 0 ? { type: "sgd", learningRate } : { type: "momentum", learningRate, momentum };
}

/** Steps over all examples in an order of their own in each epoch: a plan's `epochs`, `batchSize` and `seed`. */
export async function descend(
  model: LocalModel,
  examples: Examples,
  task: Pick<TrainingTask, "settings" | "signal" | "onProgress">,
  epochs: number = integerSetting(task.settings, "epochs", 1, 1),
): Promise<void> {
  const batchSize = batchSizeOf(task.settings);
  const seed = integerSetting(task.settings, "seed", 1, 0);
  const count = countExamples(examples);
  const steps = epochs * Math.ceil(count / batchSize);
  const pause = new Pause();
  let step = 0;
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = epochOrder(count, seed, epoch);
      for (let start = 0; start < count; start += batchSize) {
        throwIfAborted(task.signal);
        model.step(examples, order.subarray(start, start + batchSize));
        step += 1;
        task.onProgress(step / steps);
        await pause.take();
      }
    }
  } finally {
    pause.close();
  }
}

/** Mean loss and share predicted right, over all examples. */
export async function score(
  model: LocalModel,
  examples: Examples,
  task: Pick<TrainingTask, "settings" | "signal" | "onProgress">,
): Promise<{ readonly loss: number; readonly share: number }> {
  const count = countExamples(examples);
  const batchSize = batchSizeOf(task.settings);
  const rows = Uint32Array.from({ length: count }, (_, i) => i);
  const pause = new Pause();
  let loss = 0;
  let right = 0;
  try {
    for (let start = 0; start < count; start += batchSize) {
      throwIfAborted(task.signal);
      const scored = await model.score(examples, rows.subarray(start, start + batchSize));
      loss += scored.loss;
      right += scored.right;
      task.onProgress(Math.min((start + batchSize) / count, 1));
      await pause.take();
    }
  } finally {
    pause.close();
  }
  return { loss: loss / count, share: right / count };
}

/** @throws ClientError WRONG_LENGTH when the plan's update is not as long as the model */
export function requireWholeUpdate(task: TrainingTask): void {
  if (task.updateLength === task.parameters.length) return;
  throw new ClientError(
    "WRONG_LENGTH",
    `expected a plan whose update has the model's ${task.parameters.length} numbers, came ${task.updateLength}`,
  );
}

/** What training changed. @throws ClientError NON_FINITE */
export function changeOf(trained: Float32Array, task: TrainingTask): Float32Array {
  const update = trained.map((value, i) => value - (task.parameters[i] ?? 0));
  if (update.every(Number.isFinite)) return update;
  throw new ClientError("NON_FINITE", "training diverged to values that are not finite; lower the learning rate");
}

/**
 * What an evaluation hands in: [lossScale · mean loss, share predicted right, 1], zeros without examples; or the scores'
 * histograms where the plan's metric is `auc`.
 */
export async function evaluation(model: LocalModel, examples: Examples, task: TrainingTask): Promise<Float32Array> {
  if (isScoreReport(task.settings)) return scores(model, examples, task);
  const { loss, share } = await score(model, examples, task);
  if (countExamples(examples) === 0) return new Float32Array(3);
  return Float32Array.of(realSetting(task.settings, "lossScale", 1) * loss, share, 1);
}

/** @throws ClientError GUARD_UNSUPPORTED when the model does not give one score for each example */
async function scores(model: LocalModel, examples: Examples, task: TrainingTask): Promise<Float32Array> {
  if (sizeOf(examples.labelShape) !== 1) {
    throw new ClientError("GUARD_UNSUPPORTED", "expected a model of one label of 0 or 1 for the metric auc");
  }
  const count = countExamples(examples);
  const batchSize = batchSizeOf(task.settings);
  const found = new Float32Array(count);
  const pause = new Pause();
  try {
    for (let start = 0; start < count; start += batchSize) {
      throwIfAborted(task.signal);
      const length = Math.min(batchSize, count - start);
      found.set(
        await model.predict(
          examples,
          Uint32Array.from({ length }, (_, i) => start + i),
        ),
        start,
      );
      task.onProgress((start + length) / count);
      await pause.take();
    }
  } finally {
    pause.close();
  }
  return scoreReport(found, examples.labels, task.updateLength);
}

/** @throws ClientError WRONG_LENGTH when the plan's evaluation has another length than 3, and is not one of scores */
export function requireEvaluation(task: TrainingTask): void {
  if (task.updateLength === 3 || isScoreReport(task.settings)) return;
  throw new ClientError("WRONG_LENGTH", `expected a plan whose evaluation has 3 numbers, came ${task.updateLength}`);
}

class PlainLayersTrainer implements LayersTrainer {
  readonly isExampleLevel: boolean = true;
  readonly id: string;
  readonly #options: LayersTrainerOptions;
  readonly #opened: OpenedModel;

  constructor(options: LayersTrainerOptions) {
    countExamples(options.examples);
    if (options.held !== undefined) countExamples(options.held);
    this.id = options.id;
    this.#options = options;
    this.#opened = new OpenedModel(options.open);
  }

  async train(task: TrainingTask): Promise<{ readonly update: Float32Array }> {
    requireWholeUpdate(task);
    const model = await this.#started(task);
    const { examples } = this.#options;
    if (task.exampleLevel === undefined) await descend(model, examples, task);
    else await descendByExamples(model, examples, task, task.exampleLevel);
    return { update: changeOf(await model.read(), task) };
  }

  async evaluate(task: TrainingTask): Promise<Float32Array> {
    requireEvaluation(task);
    const model = await this.#started(task);
    return evaluation(model, this.#options.held ?? this.#options.examples, task);
  }

  close(): void {
    this.#opened.close();
  }

  async #started(task: TrainingTask): Promise<LocalModel> {
    const model = await this.#opened.get(task.signal);
    const { parameters, manifest, settings } = task;
    const wholeGradients = task.exampleLevel !== undefined;
    const solver: Solver = { optimiser: optimiserOf(settings), batchSize: batchSizeOf(settings), wholeGradients };
    model.start(parameters, manifest, solver);
    return model;
  }
}

/** Federated averaging's local steps on a layers model, at whichever engine `open` chooses. */
export function layersTrainer(options: LayersTrainerOptions): LayersTrainer {
  return new PlainLayersTrainer(options);
}
