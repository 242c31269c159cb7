import { ClientError } from "../errors.js";
import type { TensorShape } from "../models/safetensors.js";
import type { Kernels } from "./kernels/kernels.js";
import { plainKernels } from "./kernels/plain.js";
import { FIRST_FREE, wasmKernels, wasmKernelsWork } from "./kernels/wasm.js";
import { parseTopology } from "./model/topology.js";
import { compilePlan, type Plan, type Stretch } from "./plan/compile.js";
import { type LossName, losses, type Scored } from "./plan/loss.js";
import { type OptimiserSettings, optimise, stateVectors } from "./plan/optimiser.js";

/** How a model is compiled. */
export interface CompileOptions {
  /** The model in Keras' JSON: `model.toJSON()` of TensorFlow.js layers, as text or as the object. */
  readonly topology: unknown;
  readonly loss: LossName;
  /** The most examples of a step. */
  readonly batchSize: number;
  readonly optimiser: OptimiserSettings;
  /** WebAssembly SIMD where it runs, else plain JavaScript; or one of them. */
  readonly kernels?: "wasm" | "plain";
  /** Whether gradients are wanted whole before a step takes them: for `gradient`, and for corrections. */
  readonly wholeGradients?: boolean;
}

/**
 * A layers model whose training step was laid out once, as operations on one block of memory: forward, loss, backward
 * and optimiser allocate nothing and call nothing but kernels.
 *
 * Examples are written to `features` and `labels` before a step; a row of features holds the values of all inputs, in
 * the order of the inputs.
 */
export class CompiledModel {
  readonly manifest: readonly TensorShape[];
  /** Which kernels run. */
  readonly kernels: "wasm" | "plain";
  /** Floats of a row of features, and of labels. */
  readonly featureSize: number;
  readonly labelSize: number;
  readonly #plan: Plan;
  readonly #kernels: Kernels;
  readonly #loss: LossName;
  readonly #optimiser: OptimiserSettings;
  readonly #state: readonly number[];
  readonly #dense: readonly Stretch[];
  readonly #direct: boolean;
  #step = 0;

  /**
   * @throws ClientError GUARD_UNSUPPORTED when the model has a layer, or an option of one, that is not compiled
   * @throws ClientError BAD_OPTION when the topology is no layers model of one output
   * @throws ClientError BACKEND when memory is short
   */
  constructor({ topology, loss, batchSize, optimiser, kernels, wholeGradients }: CompileOptions) {
    const plan = compilePlan(parseTopology(topology), batchSize, FIRST_FREE);
    const vector = Math.ceil(plan.weights.count / 4) * 4;
    this.#state = Array.from({ length: stateVectors(optimiser.type) }, (_, i) => plan.length + i * vector);
    const length = plan.length + this.#state.length * vector;
    this.kernels = kernels ?? (wasmKernelsWork() ? "wasm" : "plain");
    this.#kernels = this.kernels === "wasm" ? wasmKernels(length) : plainKernels(length);
    this.#plan = plan;
    this.#loss = loss;
    this.#optimiser = optimiser;
    // Momentum and Adam move rows that a batch did not touch, so that only plain descent may skip them.
    this.#direct = optimiser.type === "sgd" && wholeGradients !== true;
    this.#dense = this.#direct ? without(plan.trainable, [...plan.tables, ...plan.descended]) : [plan.trainable];
    this.manifest = plan.manifest;
    this.featureSize = plan.inputs.reduce((sum, { size }) => sum + size, 0);
    this.labelSize = plan.output.size;
  }

  /** All weights, flat, in the order of the manifest: a view, which the next step changes. */
  get parameters(): Float32Array {
    const { from, count } = this.#plan.weights;
    return this.#kernels.heap.subarray(from, from + count);
  }

  /** The gradient that the last `gradient` computed: a view. */
  get gradients(): Float32Array {
    const { gradient, weights } = this.#plan;
    return this.#kernels.heap.subarray(gradient, gradient + weights.count);
  }

  /** Forgets what the optimiser remembers of earlier steps. */
  reset(): void {
    this.#step = 0;
    for (const at of this.#state) this.#kernels.heap.fill(0, at, at + this.#plan.weights.count);
  }

  /**
   * Puts examples in place for the next step.
   *
   * @param rows which; at most as many as the batch size
   * @throws ClientError WRONG_LENGTH when they are more
   */
  load(features: Float32Array, labels: Float32Array, rows: Uint32Array): void {
    const { inputs, targets, batchSize } = this.#plan;
    if (rows.length > batchSize) {
      throw new ClientError("WRONG_LENGTH", `expected a batch of at most ${batchSize} examples, came ${rows.length}`);
    }
    const { heap } = this.#kernels;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      let from = row * this.featureSize;
      for (const { at, size } of inputs) {
        copy(heap, at + i * size, features, from, size);
        from += size;
      }
      copy(heap, targets.at + i * targets.size, labels, row * targets.size, targets.size);
    }
  }

  /** Computes predictions of the first `examples` that were loaded. @returns them, a view */
  predict(examples: number): Float32Array {
    for (const operation of this.#plan.forward) operation(this.#kernels, examples);
    const { at, size } = this.#plan.output;
    return this.#kernels.heap.subarray(at, at + examples * size);
  }

  /** The labels that were loaded, a view. */
  targets(examples: number): Float32Array {
    const { at, size } = this.#plan.targets;
    return this.#kernels.heap.subarray(at, at + examples * size);
  }

  /** The mean loss of what `predict` computed. */
  loss(examples: number): number {
    return losses[this.#loss](this.#scored(examples), undefined);
  }

  /**
   * Computes the gradient of the mean loss over the first `examples` that were loaded.
   *
   * @returns the mean loss
   * @throws ClientError BAD_OPTION unless compiled with whole gradients
   */
  gradient(examples: number): number {
    if (this.#direct) throw new ClientError("BAD_OPTION", "compile with wholeGradients: true to read gradients");
    return this.#backward(examples);
  }

  /** Takes the optimiser's step with what stands in `gradients`. */
  apply(): void {
    this.#step += 1;
    const { weights, gradient } = this.#plan;
    for (const { from, count } of this.#dense) {
      const offset = from - weights.from;
      const piece = { weights: from, gradient: gradient + offset, count, state: this.#state.map((at) => at + offset) };
      optimise(this.#kernels, this.#optimiser, piece, this.#step);
    }
  }

  /** One step on the first `examples` that were loaded. @returns the mean loss before it */
  step(examples: number): number {
    const loss = this.#backward(examples);
    this.apply();
    return loss;
  }

  #backward(examples: number): number {
    const { forward, backward, outputGradient, tables, gradient, weights, descent } = this.#plan;
    for (const operation of forward) operation(this.#kernels, examples);
    const loss = losses[this.#loss](this.#scored(examples), outputGradient);
    descent.direct = this.#direct;
    descent.scale = -this.#optimiser.learningRate;
    if (!this.#direct) {
      for (const { from, count } of tables) {
        const at = gradient + from - weights.from;
        this.#kernels.heap.fill(0, at, at + count);
      }
    }
    for (const operation of backward) operation(this.#kernels, examples);
    return loss;
  }

  #scored(examples: number): Scored {
    const { output, targets } = this.#plan;
    const columns = output.shape.at(-1) ?? 1;
    const rows = (examples * output.size) / columns;
    return { heap: this.#kernels.heap, predictions: output.at, targets: targets.at, rows, columns };
  }
}

function copy(heap: Float32Array, to: number, values: Float32Array, from: number, count: number): void {
  // For a handful of numbers making a view costs more than copying.
  if (count > 16) heap.set(values.subarray(from, from + count), to);
  else for (let i = 0; i < count; i++) heap[to + i] = values[from + i] ?? 0;
}

/** What is left of a stretch without others inside it. */
function without(whole: Stretch, holes: readonly Stretch[]): Stretch[] {
  const rest: Stretch[] = [];
  let from = whole.from;
  const end = whole.from + whole.count;
  for (const hole of holes.toSorted((a, b) => a.from - b.from)) {
    if (hole.from > from) rest.push({ from, count: Math.min(hole.from, end) - from });
    from = Math.max(from, hole.from + hole.count);
  }
  if (end > from) rest.push({ from, count: end - from });
  return rest;
}
