import { CompiledModel } from "../../engine/compiled-model.js";
import type { LossName } from "../../engine/plan/loss.js";
import { ClientError } from "../../errors.js";
import type { TensorShape } from "../../models/safetensors.js";
import { type Examples, sizeOf } from "./examples.js";
import type { LocalModel, Solver } from "./local-model.js";

/** Options of a model at the compiled engine. */
export interface CompiledLocalOptions {
  /** The model in Keras' JSON, as text or as the object. */
  readonly topology: unknown;
  readonly loss: LossName;
  readonly kernels?: "wasm" | "plain";
}

class CompiledLocalModel implements LocalModel {
  readonly engine = "compiled";
  readonly #options: CompiledLocalOptions;
  #solver: Solver | undefined;
  #key = "";
  #compiled: CompiledModel;

  constructor(options: CompiledLocalOptions) {
    this.#options = options;
    // Tells at once when a layer is not there.
    this.#compiled = this.#compile({ optimiser: { type: "sgd", learningRate: 0 }, batchSize: 1 });
  }

  start(parameters: Float32Array, manifest: readonly TensorShape[], solver: Solver): void {
    requireShapes(this.#compiled.manifest, manifest);
    const { optimiser, batchSize } = solver;
    const key = JSON.stringify([optimiser, batchSize, isCorrected(solver)]);
    if (key !== this.#key) {
      this.#compiled = this.#compile(solver);
      this.#key = key;
    }
    this.#solver = solver;
    this.#compiled.reset();
    this.write(parameters);
  }

  step(examples: Examples, rows: Uint32Array): void {
    const model = this.#compiled;
    this.#load(examples, rows);
    const { correction, trained } = this.#solver ?? {};
    if (correction === undefined && trained === undefined) {
      model.step(rows.length);
      return;
    }
    model.gradient(rows.length);
    const gradient = model.gradients;
    if (correction !== undefined) {
      const { proximal, anchor, offset } = correction;
      const weights = model.parameters;
      for (let i = 0; i < gradient.length; i++) {
        const pull = proximal * ((weights[i] ?? 0) - (anchor[i] ?? 0));
        gradient[i] = (gradient[i] ?? 0) + pull + (offset?.[i] ?? 0);
      }
    }
    if (trained !== undefined) keepOnly(gradient, model.manifest, trained);
    model.apply();
  }

  gradient(examples: Examples, rows: Uint32Array, out: Float32Array): void {
    this.#load(examples, rows);
    this.#compiled.gradient(rows.length);
    out.set(this.#compiled.gradients);
  }

  write(parameters: Float32Array): void {
    this.#compiled.parameters.set(parameters);
  }

  async read(): Promise<Float32Array> {
    return this.#compiled.parameters.slice();
  }

  async score(examples: Examples, rows: Uint32Array): Promise<{ readonly loss: number; readonly right: number }> {
    const model = this.#compiled;
    this.#load(examples, rows);
    const predictions = model.predict(rows.length);
    const classes = examples.labelShape.at(-1) ?? 1;
    const right = countRight(predictions, model.targets(rows.length), classes);
    return { loss: model.loss(rows.length) * rows.length, right };
  }

  async predict(examples: Examples, rows: Uint32Array): Promise<Float32Array> {
    this.#load(examples, rows);
    return this.#compiled.predict(rows.length).slice();
  }

  close(): void {
    // Memory is all it has.
  }

  #load({ features, featureShape, labels, labelShape }: Examples, rows: Uint32Array): void {
    const { featureSize, labelSize } = this.#compiled;
    if (sizeOf(featureShape) !== featureSize || sizeOf(labelShape) !== labelSize) {
      throw new ClientError(
        "BAD_OPTION",
        `expected examples of ${featureSize} features and ${labelSize} labels for this model, came ${sizeOf(featureShape)} and ${sizeOf(labelShape)}`,
      );
    }
    this.#compiled.load(features, labels, rows);
  }

  #compile(solver: Solver): CompiledModel {
    const { optimiser, batchSize } = solver;
    return new CompiledModel({ ...this.#options, optimiser, batchSize, wholeGradients: isCorrected(solver) });
  }
}

function isCorrected({ correction, trained, wholeGradients }: Solver): boolean {
  return wholeGradients === true || correction !== undefined || trained !== undefined;
}

/** @throws ClientError WRONG_LENGTH when the round's model has other shapes than the app's */
export function requireShapes(own: readonly TensorShape[], came: readonly TensorShape[]): void {
  // Weights are named anew in every process; their order and shapes are what a model is.
  const [ownShapes, cameShapes] = [own, came].map((manifest) => JSON.stringify(manifest.map(({ shape }) => shape)));
  if (ownShapes === cameShapes) return;
  throw new ClientError("WRONG_LENGTH", `expected a model of the app's shapes ${ownShapes}, came ${cameShapes}`);
}

/** Sets all of a flat vector to 0 but for some tensors. */
function keepOnly(vector: Float32Array, manifest: readonly TensorShape[], kept: readonly number[]): void {
  let offset = 0;
  for (const [i, { shape }] of manifest.entries()) {
    const size = sizeOf(shape);
    if (!kept.includes(i)) vector.fill(0, offset, offset + size);
    offset += size;
  }
}

/** Rows whose largest prediction is where the largest label is; with one class, on the same side of ½. */
export function countRight(predictions: Float32Array, targets: Float32Array, classes: number): number {
  let right = 0;
  for (let row = 0; row < targets.length; row += classes) {
    if (classes === 1) {
      if ((predictions[row] ?? 0) > 0.5 === (targets[row] ?? 0) > 0.5) right += 1;
      continue;
    }
    if (largest(predictions, row, classes) === largest(targets, row, classes)) right += 1;
  }
  return right;
}

function largest(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if ((values[from + i] ?? 0) > (values[from + best] ?? 0)) best = i;
  return best;
}

/**
 * A layers model at the compiled engine, which needs no TensorFlow.js.
 *
 * @throws ClientError GUARD_UNSUPPORTED when it has a layer, or an option of one, that is not compiled
 */
export function compiledLocalModel(options: CompiledLocalOptions): LocalModel {
  return new CompiledLocalModel(options);
}
