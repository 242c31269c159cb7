import type { BandedMatrixFactorizationEvent, BltMatrixFactorizationEvent } from "../../accounting/events.js";
import { LARGEST_INTEGER_NORM } from "../../encoding/integerNorm.js";
import { type Quantisation, quantisationFor } from "../../encoding/quantisation.js";
import { PrivacyError } from "../../errors.js";
import { requireInteger, requirePositive } from "../../parameters.js";
import { type Participation, toeplitzSensitivity } from "./sensitivity.js";
import { type MatrixStrategy, requireStrategy, strategyCoefficients } from "./strategy.js";

/** What a plan chooses for DP-FTRL. */
export interface MatrixMechanismParameters extends Participation {
  /** L2 norm that every update is clipped to. */
  readonly clipNorm: number;
  /** σ over the clip norm; what the run costs depends on the sensitivity of the strategy as well. */
  readonly noiseMultiplier: number;
  /** Bits per coordinate of an update on the wire. */
  readonly bits: number;
  /** Coordinates of an update. */
  readonly dimension: number;
  readonly strategy: MatrixStrategy;
  /** How updates are rounded, where that is decided already; else they fill their bits. */
  readonly quantisation?: Quantisation;
}

/** A streaming matrix mechanism on sums of quantised updates, for one run of `steps` steps. */
export interface MatrixMechanism {
  readonly quantisation: Quantisation;
  readonly strategy: MatrixStrategy;
  readonly participation: Participation;
  readonly dimension: number;
  /** Noise lives on multiples of 2^-latticeBits of an integer step. */
  readonly latticeBits: number;
  /** σ of the independent noise z, in lattice units. */
  readonly noiseStdDev: number;
  /** What the whole run costs, all steps together; account it once, before the first step. */
  readonly event: BltMatrixFactorizationEvent | BandedMatrixFactorizationEvent;
}

/** Fractional bits of the lattice, at most: at 2^-14 of a step, rounding adds about 1e-4 to the sensitivity. */
const MOST_LATTICE_BITS = 14;

/** What computing the feedback in doubles may add to its rounding, in lattice units. */
const FEEDBACK_ERROR = 0.25;

/** Feedback is rounded to the lattice: under two neighbouring inputs it differs by at most this much more. */
const FEEDBACK_ROUNDING: number = 1 + 2 * FEEDBACK_ERROR;

/** Noise beyond this leaves no room for sums in a double. */
const LARGEST_NOISE: number = 2 ** 50;

/**
 * DP-FTRL (Kairouz et al. 2021; Denisov et al. 2022) with a Toeplitz strategy, for devices that come when they please:
 * it needs no sampling, only that a participant's steps are at least `minSeparation` apart and at most
 * `maxParticipations` in all, which the round machine enforces.
 *
 * The noise of step t is an integer w_t = z_t − round(Σ_(i≥1) c_i·w_(t−i)) on the lattice, z_t discrete Gaussian. Whoever
 * sees the noised sums sees w up to the data; under a neighbouring input z_t is shifted by (CΔ)_t plus a difference of two
 * roundings, an integer of at most 1. So the release is an adaptive composition of discrete Gaussians whose shifts have
 * norm at most ‖CΔ‖ + 1.5·√(steps·dimension), and what is released is an integer: there is no floating-point noise. (The
 * feedback is a fixed function of w; that it is computed in doubles is in the 1.5.) σ is calibrated to that norm, and the event states the multiplier of an ideal mechanism of the same cost.
 *
 * @throws PrivacyError INVALID_PARAMETER, OUT_OF_RANGE
 */
export function matrixMechanism(parameters: MatrixMechanismParameters): MatrixMechanism {
  const { clipNorm, noiseMultiplier, bits, dimension, strategy, steps, minSeparation, maxParticipations } = parameters;
  requirePositive("noiseMultiplier", noiseMultiplier);
  requireInteger("bits", bits, 2, 32);
  requireInteger("dimension", dimension, 1);
  requireStrategy(strategy);
  const most = Math.min(2 ** (bits - 1) - 1, LARGEST_INTEGER_NORM);
  const quantisation = parameters.quantisation ?? quantisationFor(clipNorm, most, dimension, bits);
  const { integerNormBound } = quantisation;
  const participation = { steps, minSeparation, maxParticipations };
  const coefficients = strategyCoefficients(strategy, steps);
  const sensitivity = toeplitzSensitivity(coefficients, participation);
  const spread = inverseNorm(coefficients, steps);
  for (let latticeBits = MOST_LATTICE_BITS; latticeBits >= 0; latticeBits--) {
    const shift = sensitivity * integerNormBound * 2 ** latticeBits + FEEDBACK_ROUNDING * Math.sqrt(steps * dimension);
    const noiseStdDev = (noiseMultiplier * shift) / sensitivity;
    const largestNoise = spread * (NOISE_REACH * noiseStdDev + 1);
    if (largestNoise <= LARGEST_NOISE && feedbackError(strategy, steps, largestNoise) <= FEEDBACK_ERROR) {
      const event = matrixEvent(strategy, noiseMultiplier, participation);
      return { quantisation, strategy, participation, dimension, latticeBits, noiseStdDev, event };
    }
  }
  throw new PrivacyError(
    "OUT_OF_RANGE",
    "The noise of this run does not fit doubles: use fewer bits, less noise, fewer steps or shorter memory.",
  );
}

/** No sample of a discrete Gaussian is farther out than this many σ, rounding included. */
const NOISE_REACH = 28;

/** Σ|entries of the first column of C⁻¹|: how much larger than z the noise w can get. */
function inverseNorm(coefficients: Float64Array, steps: number): number {
  // Coefficients that fall, and keep falling slower, have an inverse 1 − (positive terms below 1 in sum): at most 2.
  if (isLogConvex(coefficients, steps)) {
    return 2;
  }
  const length = Math.min(steps, 4096);
  const inverse = new Float64Array(length);
  inverse[0] = 1;
  let norm = 1;
  for (let t = 1; t < length; t++) {
    let sum = 0;
    for (let i = 1; i <= Math.min(t, coefficients.length - 1); i++) {
      sum += (coefficients[i] ?? 0) * (inverse[t - i] ?? 0);
    }
    inverse[t] = -sum;
    norm += Math.abs(sum);
  }
  if (length < steps) {
    // Beyond what was summed, each step can add at most as much as the coefficients sum to.
    const sum = coefficients.reduce((total, c, i) => (i === 0 ? total : total + Math.abs(c)), 0);
    return sum < 1 ? 1 / (1 - sum) : Number.POSITIVE_INFINITY;
  }
  return norm;
}

/** Kaluza's condition: positive, c₀ = 1, and c_(t−1)·c_(t+1) ≥ c_t² throughout the run. */
function isLogConvex(coefficients: Float64Array, steps: number): boolean {
  if (coefficients.length < steps) {
    return false;
  }
  for (let t = 0; t < coefficients.length; t++) {
    const before = coefficients[t - 1];
    const here = coefficients[t] ?? 0;
    const after = coefficients[t + 1];
    if (!(here > 0) || (before !== undefined && after !== undefined && before * after < here * here * (1 - 1e-12))) {
      return false;
    }
  }
  return true;
}

/** A bound on the error of the feedback in doubles, when no noise is larger than the given. */
function feedbackError(strategy: MatrixStrategy, steps: number, largestNoise: number): number {
  const ulp = 2 ** -52;
  if (strategy.type === "banded") {
    const sum = strategy.coefficients.reduce((total, c) => total + Math.abs(c), 0);
    return ulp * strategy.coefficients.length * sum * largestNoise;
  }
  return strategy.bufferDecay.reduce((total, decay, j) => {
    const memory = Math.min(steps, 1 / (1 - decay));
    // A buffer is at most memory·largestNoise, and its error that many ulps of it.
    return (
      total + (strategy.outputScale[j] ?? 0) * ulp * (memory + strategy.bufferDecay.length) * memory * largestNoise
    );
  }, 0);
}

function matrixEvent(
  strategy: MatrixStrategy,
  noiseMultiplier: number,
  participation: Participation,
): BltMatrixFactorizationEvent | BandedMatrixFactorizationEvent {
  return strategy.type === "blt"
    ? {
        type: "BltMatrixFactorization",
        noiseMultiplier,
        bufferDecay: strategy.bufferDecay,
        outputScale: strategy.outputScale,
        ...participation,
      }
    : { type: "BandedMatrixFactorization", noiseMultiplier, coefficients: strategy.coefficients, ...participation };
}
