import * as tf from "@tensorflow/tfjs-core";
import { type LayersModel, metrics } from "@tensorflow/tfjs-layers";
import { ClientError, throwIfAborted } from "../../errors.js";
import type { ExampleLevelTask } from "../example-level.js";
import { choiceSetting, integerSetting, realSetting } from "../settings.js";
import type { Trainer, TrainingTask } from "../trainer.js";
import { isContextLost, startBackend, type TensorflowBackend } from "./backend.js";
import { descendByExamples, type ExampleLoss } from "./example-level.js";
import { batchOf, countExamples, type Examples, epochOrder } from "./examples.js";
import { modelParameters, writeParameters } from "./parameters.js";

/** A layers model and one participant's examples. */
export interface TensorflowTrainerOptions {
  /** What plans for this trainer name. */
  readonly id: string;
  /** Builds the model, once. Its weights are overwritten by each round's. */
  readonly model: () => LayersModel | Promise<LayersModel>;
  readonly loss: "meanSquaredError" | "binaryCrossentropy" | "categoricalCrossentropy";
  readonly examples: Examples;
  /** For evaluation rounds; the training examples where nothing is given. */
  readonly held?: Examples;
  /** Backends in the order in which they are tried: the native one where it is installed, then wasm, then cpu. */
  readonly backends?: readonly TensorflowBackend[];
}

/** A trainer that holds tensors until it is closed. */
export interface TensorflowTrainer extends Trainer {
  close(): void;
}

/** The longest that training holds the thread, milliseconds. */
const LONGEST_HOLD_MS = 30;

/** Per example, from (targets, predictions). */
type Loss = (targets: tf.Tensor, predictions: tf.Tensor) => tf.Tensor;

const LOSSES: { readonly [Name in TensorflowTrainerOptions["loss"]]: Loss } = {
  meanSquaredError: metrics.meanSquaredError,
  binaryCrossentropy: metrics.binaryCrossentropy,
  categoricalCrossentropy: metrics.categoricalCrossentropy,
};

function optimiserOf({ settings }: TrainingTask): tf.Optimizer {
  const learningRate = realSetting(settings, "learningRate", 0.01);
  if (choiceSetting(settings, "optimiser", ["sgd", "adam"], "sgd") === "adam") return tf.train.adam(learningRate);
  const momentum = realSetting(settings, "momentum", 0);
  return momentum === 0 ? tf.train.sgd(learningRate) : tf.train.momentum(learningRate, momentum);
}

/** Lets other work run when this has held the thread for long enough. */
class Pause {
  #sinceMs: number = performance.now();

  async take(): Promise<void> {
    if (performance.now() - this.#sinceMs < LONGEST_HOLD_MS) return;
    await tf.nextFrame();
    this.#sinceMs = performance.now();
  }
}

function predict(model: LayersModel, inputs: tf.Tensor, training: boolean): tf.Tensor {
  const output = model.apply(inputs, { training });
  if (output instanceof tf.Tensor) return output;
  throw new ClientError("BAD_OPTION", "expected a model with one output of tensors, came another");
}

function failureOf(cause: unknown): unknown {
  if (isContextLost()) return new ClientError("BACKEND", "the graphics context was lost; nothing is sent", { cause });
  if (cause instanceof Error && /Kernel '.*' not registered for backend/.test(cause.message)) {
    return new ClientError("BACKEND", `${cause.message.split(".")[0]}: pass backends: ["cpu"] for this model`, {
      cause,
    });
  }
  return cause;
}

class LayersTrainer implements TensorflowTrainer {
  readonly isExampleLevel: boolean = true;
  readonly id: string;
  readonly #options: TensorflowTrainerOptions;
  #model: Promise<LayersModel> | undefined;

  constructor(options: TensorflowTrainerOptions) {
    countExamples(options.examples);
    if (options.held !== undefined) countExamples(options.held);
    this.id = options.id;
    this.#options = options;
  }

  async train(task: TrainingTask): Promise<{ readonly update: Float32Array }> {
    const model = await this.#prepared(task);
    if (task.updateLength !== task.parameters.length) {
      throw new ClientError(
        "WRONG_LENGTH",
        `expected a plan whose update has the model's ${task.parameters.length} numbers, came ${task.updateLength}`,
      );
    }
    const optimiser = optimiserOf(task);
    try {
      if (task.exampleLevel === undefined) await this.#descend(model, optimiser, task);
      else await this.#descendByExamples(model, task, task.exampleLevel);
      const update = await modelParameters(model);
      if (isContextLost()) throw new ClientError("BACKEND", "the graphics context was lost; nothing is sent");
      update.forEach((value, i) => {
        update[i] = value - (task.parameters[i] ?? 0);
      });
      if (!update.every(Number.isFinite)) {
        throw new ClientError("NON_FINITE", "training diverged to values that are not finite; lower the learning rate");
      }
      return { update };
    } catch (cause) {
      throw failureOf(cause);
    } finally {
      optimiser.dispose();
    }
  }

  async evaluate(task: TrainingTask): Promise<Float32Array> {
    const model = await this.#prepared(task);
    if (task.updateLength !== 3) {
      throw new ClientError(
        "WRONG_LENGTH",
        `expected a plan whose evaluation has 3 numbers, came ${task.updateLength}`,
      );
    }
    const examples = this.#options.held ?? this.#options.examples;
    const count = countExamples(examples);
    const batchSize = integerSetting(task.settings, "batchSize", 32, 1);
    const rows = Uint32Array.from({ length: count }, (_, i) => i);
    const pause = new Pause();
    let lossSum = 0;
    let right = 0;
    try {
      for (let start = 0; start < count; start += batchSize) {
        throwIfAborted(task.signal);
        const batch = rows.subarray(start, start + batchSize);
        const [loss, correct] = tf.tidy(() => this.#score(model, examples, batch));
        lossSum += (await read(loss)) * batch.length;
        right += await read(correct);
        task.onProgress(Math.min((start + batchSize) / count, 1));
        await pause.take();
      }
    } catch (cause) {
      throw failureOf(cause);
    }
    const lossScale = realSetting(task.settings, "lossScale", 1);
    if (count === 0) return new Float32Array(3);
    return Float32Array.of((lossScale * lossSum) / count, right / count, 1);
  }

  close(): void {
    this.#model?.then(
      (model) => model.dispose(),
      () => {},
    );
    this.#model = undefined;
  }

  async #prepared(task: TrainingTask): Promise<LayersModel> {
    this.#model ??= startBackend(this.#options.backends).then(() => this.#options.model());
    const model = await this.#model;
    throwIfAborted(task.signal);
    writeParameters(model, task.parameters, task.manifest);
    return model;
  }

  async #descend(model: LayersModel, optimiser: tf.Optimizer, task: TrainingTask): Promise<void> {
    const { examples, loss } = this.#options;
    const epochs = integerSetting(task.settings, "epochs", 1, 1);
    const batchSize = integerSetting(task.settings, "batchSize", 32, 1);
    const seed = integerSetting(task.settings, "seed", 1, 0);
    const count = countExamples(examples);
    const steps = epochs * Math.ceil(count / batchSize);
    const pause = new Pause();
    let step = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = epochOrder(count, seed, epoch);
      for (let start = 0; start < count; start += batchSize) {
        throwIfAborted(task.signal);
        tf.tidy(() => {
          const { inputs, targets } = batchOf(examples, order.subarray(start, start + batchSize));
          optimiser.minimize(() => tf.mean<tf.Scalar>(LOSSES[loss](targets, predict(model, inputs, true))));
        });
        step += 1;
        task.onProgress(step / steps);
        await pause.take();
      }
    }
  }

  #descendByExamples(model: LayersModel, task: TrainingTask, level: ExampleLevelTask): Promise<void> {
    const { examples, loss } = this.#options;
    const lossOf: ExampleLoss = (inputs, targets) =>
      tf.mean<tf.Scalar>(LOSSES[loss](targets, predict(model, inputs, true)));
    const pause = new Pause();
    return descendByExamples(model, examples, lossOf, task, level, () => pause.take());
  }

  #score(model: LayersModel, examples: Examples, rows: Uint32Array): [tf.Tensor, tf.Tensor] {
    const { inputs, targets } = batchOf(examples, rows);
    const predictions = predict(model, inputs, false);
    const loss = tf.mean(LOSSES[this.#options.loss](targets, predictions));
    const classes = targets.shape.at(-1) ?? 1;
    const hits =
      classes > 1
        ? tf.equal(tf.argMax(predictions, -1), tf.argMax(targets, -1))
        : tf.equal(tf.greater(predictions, 0.5), tf.greater(targets, 0.5));
    return [loss, tf.sum(tf.cast(hits, "float32"))];
  }
}

async function read(scalar: tf.Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value ?? 0;
}

/**
 * A trainer for a TensorFlow.js layers model with one input and one output.
 *
 * Parameters: all weights of the model in its own order. Update: the local change of each, as long as the parameters.
 * Evaluation: [lossScale · mean loss, share predicted right, 1], so that who has many examples weighs no more than who
 * has few. Settings (reals as decimal strings): `optimiser` "sgd" or "adam", `learningRate` 0.01, `momentum` 0,
 * `epochs` 1, `batchSize` 32, `seed` 1 of the order of examples, `lossScale` 1. Under a plan whose unit is the example it
 * takes the plan's steps of DP-SGD, with `learningRate` alone.
 *
 * Refuses to hand out an update that is not finite (NON_FINITE) or comes from a lost graphics context (BACKEND).
 *
 * @throws ClientError BAD_OPTION when arrays and shapes of the examples disagree
 */
export function tensorflowTrainer(options: TensorflowTrainerOptions): TensorflowTrainer {
  return new LayersTrainer(options);
}
