import type { TensorShape } from "../models/safetensors.js";
import type { ExampleLevelTask } from "./example-level.js";

/** Values of the plan's `trainer.settings`; reals are decimal strings. */
export type TrainerSettings = Readonly<Record<string, string | number | boolean>>;

/** Bytes that a trainer keeps on the device from round to round. They never leave it. */
export interface LocalState {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

/** What becomes of an update: for trainers that keep something which has to agree with what the server counted. */
export interface UpdateFate {
  readonly round: number;
  /** L2 norm to which the runtime scales an update down that is longer. */
  readonly clipNorm: number;
  /**
   * Whether this device's update of an earlier round is in that round's result, as far as the device can know: it was accepted,
   * and the log does not say that the round was abandoned.
   */
  readonly wasCounted: (round: number) => Promise<boolean>;
}

/** One round's work. */
export interface TrainingTask {
  /**
   * The model of the round, flat. A trainer reads it and does not change it. Its memory is used again for the next round's
   * model: whoever keeps parameters beyond the task keeps a copy.
   */
  readonly parameters: Float32Array;
  /** Names and shapes of the model's tensors, in the order in which they lie in `parameters`. */
  readonly manifest: readonly TensorShape[];
  readonly settings: TrainerSettings;
  /** How many numbers the plan expects back. */
  readonly updateLength: number;
  readonly state: LocalState;
  /** Left out where an app calls its trainer itself, beside rounds. */
  readonly fate?: UpdateFate;
  /** What the plan's unit "example" demands of training; left out where its unit is the participant. */
  readonly exampleLevel?: ExampleLevelTask;
  /** Aborted on withdrawal, at the end of the round, and when the app stops. */
  readonly signal: AbortSignal;
  /** @param fraction of the work done, 0 to 1 */
  readonly onProgress: (fraction: number) => void;
}

/**
 * Learns from the app's data, which it was made with. What it returns is clipped, noised or masked by the runtime as
 * the plan says; a trainer does none of that, but for the noise of a plan whose unit is the example.
 */
export interface Trainer {
  /** What a plan's `trainer.id` has to be for this trainer to run. */
  readonly id: string;
  /** Whether it answers the queries of federated analytics beside: rounds whose plan names the trainer "analytics". */
  readonly answersQueries?: boolean;
  /** Whether `train` heeds `exampleLevel`. Rounds with the unit "example" are refused where it does not say so. */
  readonly isExampleLevel?: boolean;
  /** @returns `updateLength` numbers in an array of its own: the runtime overwrites it */
  train(task: TrainingTask): Promise<{ readonly update: Float32Array }>;
  /** @returns `updateLength` numbers whose sum over all participants is the metric, in an array of its own */
  evaluate(task: TrainingTask): Promise<Float32Array>;
}
