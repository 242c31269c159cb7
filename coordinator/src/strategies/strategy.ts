/**
 * How a round's result changes the model. The type keeps two families apart: a sum strategy sees Σ only, so it works
 * under secure aggregation; a per-update strategy sees each update, so a plan may choose it only where secure
 * aggregation is off.
 */
export type Strategy = SumStrategy | PerUpdateStrategy;

export type StrategySettings = Readonly<Record<string, number | string | boolean>>;

/** What the server knows when the (noised) sum is in. */
export interface SumResult {
  /** The model before the round; length `parameters`. */
  readonly parameters: Float32Array;
  /** Σ over the cohort of the clipped updates, noise included; length `updateLength(parameters)`. */
  readonly sum: Float32Array;
  /** The plan's fixed divisor: never a count that depends on the data. */
  readonly divisor: number;
  /** Standard deviation of the noise in each coordinate of the sum; 0 without noise. */
  readonly noiseStdDev: number;
  /** 1 for the first training round. */
  readonly step: number;
  /** How many training rounds the plan foresees. */
  readonly steps: number;
  /** What the strategy kept after the step before; empty at first. Only ever a function of released sums. */
  readonly state: Float32Array;
}

export interface SumStep {
  readonly parameters: Float32Array;
  readonly state: Float32Array;
}

export interface SumStrategy {
  readonly family: "sum";
  readonly id: string;
  /** How many coordinates an update has, for a model of so many parameters. */
  updateLength(parameters: number): number;
  apply(result: SumResult): SumStep;
}

export interface PerUpdateStrategy {
  readonly family: "per-update";
  readonly id: string;
  updateLength(parameters: number): number;
}
