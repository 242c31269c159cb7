import { PrivacyError } from "../errors.js";
import { expNegative, expNegativeInterval, type FixedInterval } from "../numerics/expNegative.js";
import { requirePositive } from "../parameters.js";
import { type Rational, rationalFromNumber } from "./rational.js";
import type { RandomSource } from "./source.js";
import { StaircaseSampler, type UnimodalDensity } from "./staircase.js";

/**
 * Integers beyond ±TAIL·σ are not drawn. Σ exp(−(x − c)²/2σ²) over the integers is largest at c = 0, so that
 * E[e^(tX)] ≤ e^(t²σ²/2) and P(|X| ≥ m) ≤ 2·exp(−m²/2σ²): this leaves out less than 2·exp(−13.5²/2) < 2^-130.
 */
const TAIL = 13.5;

/** Bound on the statistical distance between one sample of a batched sampler and the distribution it is named after. */
export const SAMPLE_DISTANCE_BOUND: number = 2 ** -130;

/** Largest σ: samples fit a double with room to add to. */
const LARGEST_SIGMA: number = 2 ** 45;

/** x²/2σ² is at most 128 where it is used, and carries 3 roundings of 2^-53 each: 2^-44.4, that much in the exponential. */
class DiscreteGaussianDensity implements UnimodalDensity {
  readonly mode = 0;
  readonly low: number;
  readonly high: number;
  readonly #sigma: number;
  readonly #exactSigma: Rational;

  constructor(sigma: number) {
    this.#sigma = sigma;
    this.#exactSigma = rationalFromNumber(sigma);
    this.high = Math.ceil(TAIL * sigma);
    this.low = -this.high;
  }

  ratio(x: number): number {
    const z = x / this.#sigma;
    const y = (z * z) / 2;
    return y > 128 ? 0 : expNegative(y);
  }

  ratioInterval(x: number, bits: number): FixedInterval {
    const { numerator, denominator } = this.#exactSigma;
    const value = BigInt(x);
    return expNegativeInterval(
      { numerator: value * value * denominator * denominator, denominator: 2n * numerator * numerator },
      bits,
    );
  }
}

/**
 * Discrete Gaussian samples, P(x) ∝ exp(−x² / 2σ²) on the integers, many at a time. Apart from a tail of mass below
 * 2^-130 that is not drawn, the distribution is exact: the statistical distance of n samples to n exact ones is at most
 * n · 2^-130. How it works is told at `StaircaseSampler`.
 */
export class DiscreteGaussianSampler {
  /** σ, the parameter of the distribution: its standard deviation, but for very small σ. */
  readonly noiseStdDev: number;
  /** No sample is above this in magnitude. */
  readonly largest: number;
  readonly #sampler: StaircaseSampler;

  /**
   * @param noiseStdDev σ > 0, taken as the exact value of the double; at most 2^45
   * @param random the cryptographic source
   * @throws PrivacyError INVALID_PARAMETER
   */
  constructor(noiseStdDev: number, random: RandomSource) {
    requirePositive("noiseStdDev", noiseStdDev);
    if (noiseStdDev > LARGEST_SIGMA) {
      throw new PrivacyError("INVALID_PARAMETER", `noiseStdDev must be at most 2^45, not ${noiseStdDev}.`);
    }
    this.noiseStdDev = noiseStdDev;
    this.#sampler = new StaircaseSampler(new DiscreteGaussianDensity(noiseStdDev), random);
    this.largest = Math.max(this.#sampler.highest, -this.#sampler.lowest);
  }

  /**
   * Overwrites `out` with independent samples.
   *
   * @param out integers come out, in either type
   * @throws PrivacyError OUT_OF_RANGE when an Int32Array could not hold every possible sample
   */
  fill(out: Float64Array | Int32Array): void {
    requireRoom(out, this.largest);
    this.#sampler.fill(out);
  }
}

/** @throws PrivacyError OUT_OF_RANGE when a 32-bit array is to hold values beyond 32 bits */
export function requireRoom(out: Float64Array | Int32Array, largest: number): void {
  if (out instanceof Int32Array && largest > 2_147_483_647) {
    throw new PrivacyError(
      "OUT_OF_RANGE",
      `Samples can be as large as ${largest}, beyond 32 bits; fill a Float64Array instead.`,
    );
  }
}

/**
 * Overwrites `out` with independent discrete Gaussian samples: a million take some tens of milliseconds.
 *
 * @param out integers come out, in either type
 * @param noiseStdDev the parameter σ, above 0 and at most 2^45
 * @param random the cryptographic source
 * @throws PrivacyError INVALID_PARAMETER, OUT_OF_RANGE
 */
export function fillDiscreteGaussian(out: Float64Array | Int32Array, noiseStdDev: number, random: RandomSource): void {
  new DiscreteGaussianSampler(noiseStdDev, random).fill(out);
}
