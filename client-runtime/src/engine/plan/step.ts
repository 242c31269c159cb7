// The parts that layers are compiled into.
import { ClientError } from "../../errors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LayerConfig } from "../model/topology.js";

/** Values of one kind for every example of a batch, one example after the other, in the heap. */
export interface Batch {
  /** Where they begin, floats. */
  readonly at: number;
  /** Of one example. */
  readonly shape: readonly number[];
  /** Floats of one example. */
  readonly size: number;
}

/** A weight's place in the heap, and its gradient's. */
export interface Weight {
  readonly at: number;
  readonly gradient: number;
  readonly shape: readonly number[];
  readonly size: number;
}

/** A weight of which a batch touches few rows. */
export interface SparseWeight {
  readonly at: number;
  /** Takes the gradients of rows: row i of `from` belongs to row ids[i] of the weight. */
  scatter(kernels: Kernels, from: number, ids: number, count: number, width: number): void;
}

/** A weight that its layer itself may take the step of descent with, while it computes the gradient. */
export interface DescendedWeight extends Weight {
  /** What to add the gradient to the weight with; none where it is to be written to `gradient`; 0 where nothing may change. */
  factor(): number | undefined;
}

/** A piece of a training step for the first `examples` of a batch. */
export type Operation = (kernels: Kernels, examples: number) => void;

/** What a layer asks for while it is compiled. */
export interface LayerContext {
  /** The most examples that a batch may have. */
  readonly batchSize: number;
  /** Room in the heap. It is 0 at first, and nobody else writes there. */
  allocate(floats: number): number;
  /** The layer's next weight, in the order in which TensorFlow.js has them. */
  weight(name: string, shape: readonly number[]): Weight;
  /** The same, for one that is large: plain descent then has no second pass over weight and gradient. */
  descendedWeight(name: string, shape: readonly number[]): DescendedWeight;
  /** The same, for a table of which each example uses a few rows. */
  sparseWeight(name: string, shape: readonly [rows: number, width: number]): SparseWeight;
}

/** A layer as operations. */
export interface CompiledLayer {
  readonly output: Batch;
  readonly forward: Operation;
  /**
   * From the gradient of the output, which it may overwrite, writes those of the weights and of the inputs.
   *
   * @param outputGradient where it lies
   * @param inputGradients where each is wanted; none where it is not
   */
  backward(outputGradient: number, inputGradients: readonly (number | undefined)[]): Operation;
}

/** @throws ClientError GUARD_UNSUPPORTED when the layer is of a form that this engine does not have */
export type LayerCompiler = (config: LayerConfig, inputs: readonly Batch[], context: LayerContext) => CompiledLayer;

/** Floats of one example. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Room for the values of a batch. */
export function allocateBatch(context: LayerContext, shape: readonly number[]): Batch {
  const size = sizeOf(shape);
  return { at: context.allocate(size * context.batchSize), shape, size };
}

/** The only input. @throws ClientError GUARD_UNSUPPORTED when there are others */
export function onlyInput(inputs: readonly Batch[]): Batch {
  const [input, ...others] = inputs;
  if (input !== undefined && others.length === 0) return input;
  throw unsupported(`a layer of ${inputs.length} inputs where one is expected`);
}

/** What the engine cannot compile; TensorFlow.js may. */
export function unsupported(what: string): ClientError {
  return new ClientError("GUARD_UNSUPPORTED", `the compiled engine does not have ${what}`);
}

/** Refuses settings that would change what the layer computes. @throws ClientError GUARD_UNSUPPORTED */
export function requireUnset(config: LayerConfig, ...names: readonly string[]): void {
  for (const name of names) {
    const value = config[name];
    if (value !== undefined && value !== null && value !== false && value !== 0) throw unsupported(name);
  }
}
