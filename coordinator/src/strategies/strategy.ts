/**
 * How a round's result changes the model. The type keeps families apart by what the coordinator has to see: a sum strategy
 * needs Σ only, so it works under secure aggregation and noise; a group-sum strategy needs Σ over each group of secure
 * aggregation, so its noise is calibrated for each group; a per-update strategy sees each update, so a plan may choose it
 * only where secure aggregation is off and no privacy is claimed.
 */
export type Strategy = SumStrategy | GroupSumStrategy | PerUpdateStrategy;

export type StrategyFamily = Strategy["family"];

export type StrategySettings = Readonly<Record<string, number | string | boolean>>;

/** What the server knows when the (noised) sum is in. */
export interface SumResult {
  /** The model before the round; length `parameters`. */
  readonly parameters: Float32Array;
  /** Σ over the cohort of the clipped updates, noise included; length `updateLength(parameters)`. */
  readonly sum: Float32Array;
  /** The plan's fixed divisor: never a count that depends on the data. 1 where `combine` has estimated the mean. */
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

interface ServerStep {
  readonly id: string;
  /** How many coordinates an update has, for a model of so many parameters. */
  updateLength(parameters: number): number;
  /** The next model; a function of released values and nothing else, so that it costs no privacy. */
  apply(result: SumResult): SumStep;
}

export interface SumStrategy extends ServerStep {
  readonly family: "sum";
  /** Where updates of earlier models count too: of how many, and by which power of 1/(1 + their age). */
  readonly staleness?: { readonly maximum: number; readonly exponent: number };
}

/** Estimates the mean of updates from vectors some of which may be poisoned. */
export type Combine = (vectors: readonly Float32Array[]) => Promise<Float32Array>;

export interface GroupSumStrategy extends ServerStep {
  readonly family: "group-sum";
  /** With fewer groups the estimate is no more than one of them. */
  readonly minimumVectors: number;
  /** @param vectors of each group its noised sum, over the plan's group target */
  readonly combine: Combine;
}

export interface PerUpdateStrategy extends ServerStep {
  readonly family: "per-update";
  /** With fewer updates the rule is not defined. */
  readonly minimumVectors: number;
  /** @param vectors the updates, in memory only; they are not changed */
  readonly combine: Combine;
}

/** How many coordinates an update has where it is as long as the model. */
export function sameLength(parameters: number): number {
  return parameters;
}
