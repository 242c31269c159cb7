import * as tf from "@tensorflow/tfjs-core";
import { type LayersModel, metrics } from "@tensorflow/tfjs-layers";
import type { LossName } from "../../engine/plan/loss.js";
import type { OptimiserSettings } from "../../engine/plan/optimiser.js";
import { ClientError } from "../../errors.js";
import type { TensorShape } from "../../models/safetensors.js";
import { requireShapes } from "../layers/compiled.js";
import { type Examples, sizeOf } from "../layers/examples.js";
import type { GradientCorrection, LocalModel, Solver } from "../layers/local-model.js";
import { isContextLost, type TensorflowBackend } from "./backend.js";
import { withDilatedGradients } from "./dilation.js";
import { modelManifest, modelParameters, writeParameters } from "./parameters.js";

/** Per example, from (targets, predictions). */
type Loss = (targets: tf.Tensor, predictions: tf.Tensor) => tf.Tensor;

const LOSSES: { readonly [Name in LossName]: Loss } = {
  meanSquaredError: metrics.meanSquaredError,
  binaryCrossentropy: metrics.binaryCrossentropy,
  categoricalCrossentropy: metrics.categoricalCrossentropy,
};

function optimiserFrom(settings: OptimiserSettings): tf.Optimizer {
  switch (settings.type) {
    case "sgd":
      return tf.train.sgd(settings.learningRate);
    case "momentum":
      return tf.train.momentum(settings.learningRate, settings.momentum);
    case "adam":
      return tf.train.adam(settings.learningRate);
  }
}

/** A weight's variable and where its numbers begin in the flat vector. */
interface Placed {
  readonly variable: tf.Variable;
  readonly offset: number;
  readonly trainable: boolean;
}

class TensorflowLocalModel implements LocalModel {
  readonly engine: TensorflowBackend;
  readonly #model: LayersModel;
  readonly #loss: Loss;
  readonly #manifest: readonly TensorShape[];
  #optimiser: tf.Optimizer | undefined;
  #solver: Solver | undefined;

  constructor(engine: TensorflowBackend, model: LayersModel, loss: LossName) {
    this.engine = engine;
    this.#model = model;
    this.#loss = LOSSES[loss];
    this.#manifest = modelManifest(model);
  }

  start(parameters: Float32Array, manifest: readonly TensorShape[], solver: Solver): void {
    requireShapes(this.#manifest, manifest);
    this.#optimiser?.dispose();
    this.#optimiser = optimiserFrom(solver.optimiser);
    this.#solver = solver;
    this.write(parameters);
  }

  step(examples: Examples, rows: Uint32Array): void {
    const optimiser = this.#optimiser;
    if (optimiser === undefined) throw new ClientError("TRAINER_FAILED", "expected start() before a step");
    const { correction, trained } = this.#solver ?? {};
    const places = this.#places();
    const chosen = [...places.values()].filter((_, i) => trained === undefined || trained.includes(i));
    const variables = chosen.flatMap(({ variable, trainable }) => (trainable ? [variable] : []));
    this.#guarded(() =>
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => this.#meanLoss(examples, rows, true), variables);
        optimiser.applyGradients(correction === undefined ? grads : corrected(grads, places, correction));
      }),
    );
  }

  gradient(examples: Examples, rows: Uint32Array, out: Float32Array): void {
    const places = this.#places();
    const variables = [...places.values()].flatMap(({ variable, trainable }) => (trainable ? [variable] : []));
    out.fill(0);
    this.#guarded(() =>
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => this.#meanLoss(examples, rows, true), variables);
        for (const [name, gradient] of Object.entries(grads)) {
          out.set(gradient.dataSync<"float32">(), places.get(name)?.offset ?? 0);
        }
      }),
    );
  }

  write(parameters: Float32Array): void {
    writeParameters(this.#model, parameters, this.#manifest);
  }

  async read(): Promise<Float32Array> {
    const parameters = await modelParameters(this.#model);
    if (isContextLost()) throw new ClientError("BACKEND", "the graphics context was lost; nothing is sent");
    return parameters;
  }

  async score(examples: Examples, rows: Uint32Array): Promise<{ readonly loss: number; readonly right: number }> {
    const [loss, right] = this.#guarded(() =>
      tf.tidy((): [tf.Tensor, tf.Tensor] => {
        const { inputs, targets } = this.#batch(examples, rows);
        const predictions = this.#predict(inputs, false);
        const classes = targets.shape.at(-1) ?? 1;
        const hits =
          classes > 1
            ? tf.equal(tf.argMax(predictions, -1), tf.argMax(targets, -1))
            : tf.equal(tf.greater(predictions, 0.5), tf.greater(targets, 0.5));
        return [tf.mean(this.#loss(targets, predictions)), tf.sum(tf.cast(hits, "float32"))];
      }),
    );
    return { loss: (await readScalar(loss)) * rows.length, right: await readScalar(right) };
  }

  async predict(examples: Examples, rows: Uint32Array): Promise<Float32Array> {
    const predictions = tf.tidy(() => this.#predict(this.#batch(examples, rows).inputs, false));
    const values = Float32Array.from(await predictions.data());
    predictions.dispose();
    return values;
  }

  close(): void {
    this.#optimiser?.dispose();
    this.#model.dispose();
  }

  #meanLoss(examples: Examples, rows: Uint32Array, training: boolean): tf.Scalar {
    const { inputs, targets } = this.#batch(examples, rows);
    return tf.mean<tf.Scalar>(this.#loss(targets, this.#predict(inputs, training)));
  }

  #predict(inputs: tf.Tensor[], training: boolean): tf.Tensor {
    const output = this.#model.apply(inputs, { training });
    if (output instanceof tf.Tensor) return output;
    throw new ClientError("BAD_OPTION", "expected a model with one output of tensors, came another");
  }

  #batch(
    { features, featureShape, labels, labelShape }: Examples,
    rows: Uint32Array,
  ): { readonly inputs: tf.Tensor[]; readonly targets: tf.Tensor } {
    const whole = tf.tensor(gather(features, sizeOf(featureShape), rows), [rows.length, ...featureShape]);
    const targets = tf.tensor(gather(labels, sizeOf(labelShape), rows), [rows.length, ...labelShape]);
    const shapes = this.#model.inputs.map(({ shape }) => shape.slice(1).map((extent) => extent ?? 1));
    if (shapes.length === 1) return { inputs: [whole], targets };
    const parts = tf.split(tf.reshape(whole, [rows.length, -1]), shapes.map(sizeOf), 1);
    return { inputs: parts.map((part, i) => tf.reshape(part, [rows.length, ...(shapes[i] ?? [])])), targets };
  }

  #places(): ReadonlyMap<string, Placed> {
    const places = new Map<string, Placed>();
    const trainable = new Set(this.#model.trainableWeights.map(({ name }) => name));
    let offset = 0;
    for (const { name, shape } of this.#model.weights) {
      const variable = tf.engine().registeredVariables[name];
      if (variable !== undefined) places.set(name, { variable, offset, trainable: trainable.has(name) });
      offset += sizeOf(shape.map((extent) => extent ?? 1));
    }
    return places;
  }

  #guarded<Result>(compute: () => Result): Result {
    try {
      return compute();
    } catch (cause) {
      throw failureOf(cause);
    }
  }
}

function corrected(
  grads: tf.NamedTensorMap,
  places: ReadonlyMap<string, Placed>,
  { proximal, anchor, offset }: GradientCorrection,
): tf.NamedTensorMap {
  const result: tf.NamedTensorMap = {};
  for (const [name, gradient] of Object.entries(grads)) {
    const placed = places.get(name);
    if (placed === undefined) continue;
    const end = placed.offset + gradient.size;
    const part = (vector: Float32Array): tf.Tensor => tf.tensor(vector.slice(placed.offset, end), gradient.shape);
    const pull = tf.mul(proximal, tf.sub(placed.variable, part(anchor)));
    const pulled = tf.add(gradient, pull);
    result[name] = offset === undefined ? pulled : tf.add(pulled, part(offset));
  }
  return result;
}

function gather(values: Float32Array, width: number, rows: Uint32Array): Float32Array {
  const gathered = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    gathered.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return gathered;
}

function failureOf(cause: unknown): unknown {
  if (isContextLost()) return new ClientError("BACKEND", "the graphics context was lost; nothing is sent", { cause });
  if (cause instanceof Error && /Kernel '.*' not registered for backend/.test(cause.message)) {
    const reason = cause.message.split(".")[0];
    return new ClientError("BACKEND", `${reason}: pass backends: ["cpu"] for this model`, { cause });
  }
  return cause;
}

async function readScalar(scalar: tf.Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value ?? 0;
}

/** A layers model at a backend of TensorFlow.js, which must be the one that runs. */
export function tensorflowLocalModel(engine: TensorflowBackend, model: LayersModel, loss: LossName): LocalModel {
  return new TensorflowLocalModel(engine, withDilatedGradients(model), loss);
}
