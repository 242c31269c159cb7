/**
 * What differential-privacy accountants understand: one record per kind of mechanism, in the vocabulary of Google's
 * dp_accounting. All are plain immutable JSON; `type` tells them apart.
 *
 * `noiseMultiplier` is a standard deviation (for Laplace: the scale) over the sensitivity, dimensionless.
 */
export type DpEvent =
  | NoOpEvent
  | NonPrivateEvent
  | GaussianEvent
  | LaplaceEvent
  | DiscreteGaussianEvent
  | DiscreteLaplaceEvent
  | SkellamEvent
  | DistributedDiscreteGaussianEvent
  | MixtureOfGaussiansEvent
  | EpsilonDeltaEvent
  | RandomizedResponseEvent
  | ExponentialEvent
  | ZCdpEvent
  | PoissonSampledEvent
  | SampledWithoutReplacementEvent
  | ComposedEvent
  | SelfComposedEvent
  | SingleEpochTreeAggregationEvent
  | TreeAggregationEvent
  | BltMatrixFactorizationEvent
  | BandedMatrixFactorizationEvent;

/** The name of a kind of event. */
export type DpEventType = DpEvent["type"];

/** Nothing was released. */
export interface NoOpEvent {
  readonly type: "NoOp";
}

/** Something was released without any protection: ε is infinite from here on. */
export interface NonPrivateEvent {
  readonly type: "NonPrivate";
}

/** Gaussian noise on a vector of L2 sensitivity 1 / noiseMultiplier in units of its standard deviation. */
export interface GaussianEvent {
  readonly type: "Gaussian";
  readonly noiseMultiplier: number;
}

/** Laplace noise of scale noiseMultiplier times the (one-dimensional, or L1) sensitivity. */
export interface LaplaceEvent {
  readonly type: "Laplace";
  readonly noiseMultiplier: number;
}

/** Discrete Gaussian noise of parameter sigma on integers of L2 sensitivity `sensitivity`. */
export interface DiscreteGaussianEvent {
  readonly type: "DiscreteGaussian";
  readonly sigma: number;
  readonly sensitivity: number;
  /** Coordinates of the released vector; 1 when left out. */
  readonly dimension?: number | undefined;
}

/** Discrete Laplace noise P(x) ∝ exp(−noiseParameter·|x|) on an integer of sensitivity `sensitivity`. */
export interface DiscreteLaplaceEvent {
  readonly type: "DiscreteLaplace";
  readonly noiseParameter: number;
  readonly sensitivity: number;
}

/** Skellam noise of standard deviation noiseStdDev on an integer vector. */
export interface SkellamEvent {
  readonly type: "Skellam";
  readonly noiseStdDev: number;
  readonly l1Sensitivity: number;
  readonly l2Sensitivity: number;
}

/** The sum of one discrete Gaussian of parameter noiseStdDev per device, on an integer vector. */
export interface DistributedDiscreteGaussianEvent {
  readonly type: "DistributedDiscreteGaussian";
  readonly noiseStdDev: number;
  readonly devices: number;
  readonly l1Sensitivity: number;
  readonly l2Sensitivity: number;
  readonly dimension: number;
}

/** Gaussian noise of the given standard deviation, where the sensitivity itself is drawn from a distribution. */
export interface MixtureOfGaussiansEvent {
  readonly type: "MixtureOfGaussians";
  readonly standardDeviation: number;
  readonly sensitivities: readonly number[];
  readonly probabilities: readonly number[];
}

/** Any mechanism known only to be (ε, δ)-differentially private. */
export interface EpsilonDeltaEvent {
  readonly type: "EpsilonDelta";
  readonly epsilon: number;
  readonly delta: number;
}

/** With probability noiseParameter a uniform one of `buckets` answers, else the true one. */
export interface RandomizedResponseEvent {
  readonly type: "RandomizedResponse";
  readonly noiseParameter: number;
  readonly buckets: number;
}

/** The exponential mechanism with parameter epsilon. */
export interface ExponentialEvent {
  readonly type: "Exponential";
  readonly epsilon: number;
}

/** Any mechanism known to be (xi, rho)-zero-concentrated differentially private (Bun and Steinke 2016). */
export interface ZCdpEvent {
  readonly type: "ZCdp";
  readonly rho: number;
  readonly xi: number;
}

/** The inner event on a sample that each participant enters independently with the given probability. */
export interface PoissonSampledEvent {
  readonly type: "PoissonSampled";
  readonly samplingProbability: number;
  readonly event: DpEvent;
}

/** The inner event on a uniform sample of fixed size. */
export interface SampledWithoutReplacementEvent {
  readonly type: "SampledWithoutReplacement";
  readonly sourceSize: number;
  readonly sampleSize: number;
  readonly event: DpEvent;
}

/** All of the events, one after another. */
export interface ComposedEvent {
  readonly type: "Composed";
  readonly events: readonly DpEvent[];
}

/** The inner event `count` times. */
export interface SelfComposedEvent {
  readonly type: "SelfComposed";
  readonly count: number;
  readonly event: DpEvent;
}

/** Binary-tree aggregation, restarted after each of `stepCounts`; no record in two trees (Kairouz et al. 2021). */
export interface SingleEpochTreeAggregationEvent {
  readonly type: "SingleEpochTreeAggregation";
  readonly noiseMultiplier: number;
  readonly stepCounts: readonly number[];
}

/** What all streaming matrix mechanisms say about participation. */
export interface ParticipationSchema {
  /** Steps of the whole run. */
  readonly steps: number;
  /** A participant's steps are at least this far apart. */
  readonly minSeparation: number;
  /** A participant takes part at most this often. */
  readonly maxParticipations: number;
}

/** Binary-tree aggregation without restarts, participants coming back. */
export interface TreeAggregationEvent extends ParticipationSchema {
  readonly type: "TreeAggregation";
  readonly noiseMultiplier: number;
}

/** DP-FTRL with a buffered linear Toeplitz strategy (Dvijotham et al. 2024): c₀ = 1, cᵢ = Σⱼ ωⱼ θⱼ^(i−1). */
export interface BltMatrixFactorizationEvent extends ParticipationSchema {
  readonly type: "BltMatrixFactorization";
  readonly noiseMultiplier: number;
  /** θ, one per buffer. */
  readonly bufferDecay: readonly number[];
  /** ω, one per buffer. */
  readonly outputScale: readonly number[];
}

/** DP-FTRL with a banded Toeplitz strategy matrix: its first column, c₀ … c_(bands−1). */
export interface BandedMatrixFactorizationEvent extends ParticipationSchema {
  readonly type: "BandedMatrixFactorization";
  readonly noiseMultiplier: number;
  readonly coefficients: readonly number[];
}
