import type { OptimiserSettings } from "../../engine/plan/optimiser.js";
import type { TensorShape } from "../../models/safetensors.js";
import type { Examples } from "./examples.js";

/** What computes: fedloop's compiled plans, or a backend of TensorFlow.js. */
export type LayersEngine = "compiled" | "tensorflow" | "wasm" | "cpu";

/** A change to each step's gradient at the weights w: + proximal·(w − anchor) + offset. */
export interface GradientCorrection {
  readonly proximal: number;
  /** As long as the parameters. */
  readonly anchor: Float32Array;
  readonly offset?: Float32Array;
}

/** How local steps are taken. */
export interface Solver {
  readonly optimiser: OptimiserSettings;
  /** The most examples of a step. */
  readonly batchSize: number;
  readonly correction?: GradientCorrection;
  /** Numbers of the tensors that steps change, in the manifest's order; all where it is left out. */
  readonly trained?: readonly number[];
  /** Whether `gradient` will be called. */
  readonly wholeGradients?: boolean;
}

/**
 * A layers model at an engine, with one participant's examples. `start` comes first; nothing is kept from one start to
 * the next.
 */
export interface LocalModel {
  readonly engine: LayersEngine;
  /**
   * Takes over the weights, and forgets what an optimiser remembers.
   *
   * @throws ClientError WRONG_LENGTH when the round's model has other shapes than the app's
   */
  start(parameters: Float32Array, manifest: readonly TensorShape[], solver: Solver): void;
  /** One step of the optimiser on the mean loss of some rows. */
  step(examples: Examples, rows: Uint32Array): void;
  /** The gradient of the mean loss of some rows, without corrections, as long as the parameters, into `out`. */
  gradient(examples: Examples, rows: Uint32Array, out: Float32Array): void;
  /** Overwrites all weights. */
  write(parameters: Float32Array): void;
  /** All weights, in an array of its own. */
  read(): Promise<Float32Array>;
  /** Loss summed over rows, and how many are predicted right. */
  score(examples: Examples, rows: Uint32Array): Promise<{ readonly loss: number; readonly right: number }>;
  /** What the model predicts for some rows, one row after the other. */
  predict(examples: Examples, rows: Uint32Array): Promise<Float32Array>;
  close(): void;
}
