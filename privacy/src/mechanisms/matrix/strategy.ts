import { PrivacyError } from "../../errors.js";
import { requireInteger } from "../../parameters.js";

/** A run longer than this is neither generated nor accounted. */
export const MOST_STEPS = 10_000_000;

/**
 * The Toeplitz strategy matrix C of a streaming matrix mechanism: noise C⁻¹z is added to the steps' sums, so that a
 * running total carries A·C⁻¹z, whose error is far below that of independent noise.
 */
export type MatrixStrategy = BltStrategy | BandedStrategy;

/** Buffered linear Toeplitz: c₀ = 1, cᵢ = Σⱼ ωⱼ θⱼ^(i−1), kept in one buffer a pair (Dvijotham et al. 2024). */
export interface BltStrategy {
  readonly type: "blt";
  /** θ, each in [0, 1) */
  readonly bufferDecay: readonly number[];
  /** ω, each at least 0 */
  readonly outputScale: readonly number[];
}

/** Banded: c₀ = 1 and the coefficients given, zero after them; kept in one buffer a band below the diagonal. */
export interface BandedStrategy {
  readonly type: "banded";
  readonly coefficients: readonly number[];
}

/**
 * @param strategy a strategy
 * @param steps how many coefficients at most
 * @returns c₀, c₁, … (for bands: no more than there are)
 */
export function strategyCoefficients(strategy: MatrixStrategy, steps: number): Float64Array {
  if (strategy.type === "banded") {
    return Float64Array.from(strategy.coefficients.slice(0, steps));
  }
  return bltCoefficients(strategy.bufferDecay, strategy.outputScale, steps);
}

/** @returns c₀ … c_(steps−1) of a buffered linear Toeplitz matrix */
export function bltCoefficients(
  bufferDecay: readonly number[],
  outputScale: readonly number[],
  steps: number,
): Float64Array {
  requireInteger("steps", steps, 1, MOST_STEPS);
  const out = new Float64Array(steps);
  out[0] = 1;
  const powers = Float64Array.from(outputScale);
  for (let t = 1; t < steps; t++) {
    let sum = 0;
    for (let j = 0; j < powers.length; j++) {
      const value = powers[j] ?? 0;
      sum += value;
      powers[j] = value * (bufferDecay[j] ?? 0);
    }
    out[t] = sum;
  }
  return out;
}

/**
 * The first bands of the square root of the matrix of running totals, cₖ = C(2k, k)/4ᵏ: a good strategy for any number
 * of steps, without optimisation. With as many bands as the separation, a participant's columns do not overlap.
 * Source: Kalinin and Lampert (2024); Fichtenberger, Henzinger, Upadhyay (2023).
 *
 * @param bands at least 1
 */
export function bandedSquareRoot(bands: number): BandedStrategy {
  requireInteger("bands", bands, 1, 1_000_000);
  const coefficients = [1];
  for (let k = 1; k < bands; k++) {
    coefficients.push(((coefficients[k - 1] ?? 0) * (2 * k - 1)) / (2 * k));
  }
  return { type: "banded", coefficients };
}

/**
 * The square root of the matrix of running totals in a few buffers: its coefficients are the moments
 * (1/π)∫ xᵏ dx/√(x(1−x)), here by Gauss–Chebyshev quadrature, so that the first 2·buffers − 1 of them are exact and later
 * ones fall faster. A sound choice where none was optimised for the length of the run.
 *
 * @param buffers at least 1
 */
export function bltSquareRoot(buffers: number): BltStrategy {
  requireInteger("buffers", buffers, 1, 64);
  const bufferDecay = Array.from({ length: buffers }, (_, j) => Math.cos(((2 * j + 1) * Math.PI) / (4 * buffers)) ** 2);
  return { type: "blt", bufferDecay, outputScale: bufferDecay.map((decay) => decay / buffers) };
}

/** @throws PrivacyError INVALID_PARAMETER when noise could not be generated with the strategy */
export function requireStrategy(strategy: MatrixStrategy): void {
  if (strategy.type === "banded") {
    const { coefficients } = strategy;
    if (coefficients[0] !== 1 || !coefficients.every(Number.isFinite)) {
      throw new PrivacyError("INVALID_PARAMETER", "A banded strategy needs finite coefficients, the first of them 1.");
    }
    return;
  }
  const { bufferDecay, outputScale } = strategy;
  if (
    bufferDecay.length === 0 ||
    bufferDecay.length !== outputScale.length ||
    !bufferDecay.every((decay) => decay >= 0 && decay < 1) ||
    !outputScale.every((scale) => scale >= 0 && Number.isFinite(scale))
  ) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      "A BLT strategy needs one output scale of at least 0 for each buffer decay in [0, 1), at least one of them.",
    );
  }
}
