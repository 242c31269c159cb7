import { PrivacyError } from "../errors.js";
import { expNegative, type FixedInterval } from "../numerics/expNegative.js";
import { requirePositive } from "../parameters.js";
import { requireRoom } from "./gaussianSampler.js";
import { type Rational, rationalFromNumber } from "./rational.js";
import type { RandomSource } from "./source.js";
import { StaircaseSampler, type UnimodalDensity } from "./staircase.js";

/** −ln of the mass left out on each side: e^-91.2 < 2^-131. */
const TAIL_EXPONENT = 91.2;

/** Below this mean, ratios are multiplied up from the mode; above, they come from series. */
const SMALL_MEAN = 4096;

/** Largest mean: the exact comparison multiplies as many factors as a sample is away from the mode. */
const LARGEST_MEAN: number = 2 ** 44;

/**
 * The Poisson distribution. Outside [low, high] lies less than 2^-130: P(X ≤ μ − t) ≤ exp(−t²/2μ) and
 * P(X ≥ μ + t) ≤ exp(−t²/(2μ + 2t/3)) (Boucheron, Lugosi, Massart 2013, section 2.2).
 */
class PoissonDensity implements UnimodalDensity {
  readonly mode: number;
  readonly low: number;
  readonly high: number;
  readonly #mean: number;
  readonly #exactMean: Rational;
  readonly #table: Float64Array | undefined;

  constructor(mean: number) {
    this.#mean = mean;
    this.#exactMean = rationalFromNumber(mean);
    this.mode = Math.floor(mean);
    const third = TAIL_EXPONENT / 3;
    this.low = Math.max(0, Math.floor(mean - Math.sqrt(2 * mean * TAIL_EXPONENT)));
    this.high = Math.ceil(mean + third + Math.sqrt(third * third + 2 * mean * TAIL_EXPONENT));
    this.#table = mean < SMALL_MEAN ? this.#ratios() : undefined;
  }

  /** Multiplied up step by step: below 1 500 steps, each with two roundings, lose less than 2^-41. */
  #ratios(): Float64Array {
    // A block may reach past `high`; what it holds there has no ratio in the table, and is never drawn.
    const table = new Float64Array(this.high - this.low + 1);
    table[this.mode - this.low] = 1;
    for (let x = this.mode + 1; x <= this.high; x++) {
      table[x - this.low] = ((table[x - 1 - this.low] ?? 0) * this.#mean) / x;
    }
    for (let x = this.mode - 1; x >= this.low; x--) {
      table[x - this.low] = ((table[x + 1 - this.low] ?? 0) * (x + 1)) / this.#mean;
    }
    return table;
  }

  /**
   * For large means, ln(P(x)/P(mode)) = −[D(x) − D(m)] − ½·ln(x/m) − [s(x) − s(m)], where D(x) = x·ln(x/μ) + μ − x and s is
   * Stirling's series (Loader 2000). D = μ·φ((x − μ)/μ) and the logarithm are summed as power series of arguments below
   * 0.23: additions and multiplications only. D is at most 128 and has a relative error below 2^-49, so that the exponent's
   * error is below 2^-42.
   */
  ratio(x: number): number {
    if (this.#table !== undefined) {
      return this.#table[x - this.low] ?? 0;
    }
    const mean = this.#mean;
    const mode = this.mode;
    const exponent =
      mean * (entropyExcess((x - mean) / mean) - entropyExcess((mode - mean) / mean)) +
      0.5 * logOnePlus((x - mode) / mode) +
      stirling(x) -
      stirling(mode);
    if (exponent > 128) {
      return 0;
    }
    // The mean is not always at an integer: next to the mode the exponent can be below zero by rounding.
    return expNegative(Math.max(0, exponent));
  }

  /** Π μ/j from the mode up, Π j/μ from the mode down, with outward rounding. */
  ratioInterval(x: number, bits: number): FixedInterval {
    const { numerator, denominator } = this.#exactMean;
    const steps = Math.abs(x - this.mode);
    const working = bits + Math.ceil(Math.log2(steps + 2)) + 8;
    let low = 1n << BigInt(working);
    let high = low;
    for (let step = 0; step < steps; step++) {
      const [up, down] =
        x > this.mode
          ? [numerator, denominator * BigInt(this.mode + 1 + step)]
          : [denominator * BigInt(this.mode - step), numerator];
      low = (low * up) / down;
      high = (high * up) / down + 1n;
    }
    return { low, high, bits: working };
  }
}

/** (1 + x)·ln(1 + x) − x = Σ_(n≥2) (−x)^n / (n(n−1)), for |x| < 0.25. */
function entropyExcess(x: number): number {
  let sum = 0;
  for (let n = 30; n >= 2; n--) {
    sum = 1 / (n * (n - 1)) - x * sum;
  }
  return x * x * sum;
}

/** ln(1 + x) = x·Σ_(n≥0) (−x)^n / (n + 1), for |x| < 0.25. */
function logOnePlus(x: number): number {
  let sum = 0;
  for (let n = 30; n >= 0; n--) {
    sum = 1 / (n + 1) - x * sum;
  }
  return x * sum;
}

/** ln x! − (x + ½)·ln x + x − ½·ln 2π for x above 1 000: the next term is below 2^-90. */
function stirling(x: number): number {
  const inverse = 1 / x;
  const square = inverse * inverse;
  return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
}

/** Poisson samples, many at a time; exact but for tails of mass below 2^-130, like `DiscreteGaussianSampler`. */
export class PoissonSampler {
  readonly mean: number;
  /** Samples lie between these. */
  readonly smallest: number;
  readonly largest: number;
  readonly #sampler: StaircaseSampler;

  /**
   * @param mean above 0, taken as the exact value of the double; at most 2^44
   * @param random the cryptographic source
   * @throws PrivacyError INVALID_PARAMETER
   */
  constructor(mean: number, random: RandomSource) {
    requirePositive("mean", mean);
    if (mean > LARGEST_MEAN) {
      throw new PrivacyError("INVALID_PARAMETER", `mean must be at most 2^44, not ${mean}.`);
    }
    this.mean = mean;
    this.#sampler = new StaircaseSampler(new PoissonDensity(mean), random);
    this.smallest = this.#sampler.lowest;
    this.largest = this.#sampler.highest;
  }

  /**
   * Overwrites `out` with independent samples.
   *
   * @throws PrivacyError OUT_OF_RANGE when an Int32Array could not hold every possible sample
   */
  fill(out: Float64Array | Int32Array): void {
    requireRoom(out, this.largest);
    this.#sampler.fill(out);
  }
}

/**
 * Skellam samples, many at a time: the difference of two Poisson samples of the same mean, symmetric about 0 with twice
 * that mean as variance. Sums of Skellam samples are Skellam again, which discrete Gaussians are not.
 */
export class SkellamSampler {
  /** Standard deviation of the distribution. */
  readonly noiseStdDev: number;
  /** No sample is above this in magnitude. */
  readonly largest: number;
  readonly #poisson: PoissonSampler;

  /**
   * @param noiseStdDev above 0, at most 2^22; the variance is its square as a double
   * @param random the cryptographic source
   * @throws PrivacyError INVALID_PARAMETER
   */
  constructor(noiseStdDev: number, random: RandomSource) {
    requirePositive("noiseStdDev", noiseStdDev);
    const mean = (noiseStdDev * noiseStdDev) / 2;
    if (!(mean > 0) || mean > LARGEST_MEAN) {
      throw new PrivacyError("INVALID_PARAMETER", `noiseStdDev must be at most 2^22, not ${noiseStdDev}.`);
    }
    this.noiseStdDev = noiseStdDev;
    this.#poisson = new PoissonSampler(mean, random);
    this.largest = this.#poisson.largest - this.#poisson.smallest;
  }

  /**
   * Overwrites `out` with independent samples.
   *
   * @throws PrivacyError OUT_OF_RANGE when an Int32Array could not hold every possible sample
   */
  fill(out: Float64Array | Int32Array): void {
    requireRoom(out, this.largest);
    const first = new Float64Array(Math.min(CHUNK, out.length));
    const second = new Float64Array(first.length);
    for (let start = 0; start < out.length; start += first.length) {
      const count = Math.min(first.length, out.length - start);
      this.#poisson.fill(first.subarray(0, count));
      this.#poisson.fill(second.subarray(0, count));
      for (let i = 0; i < count; i++) {
        out[start + i] = (first[i] ?? 0) - (second[i] ?? 0);
      }
    }
    first.fill(0);
    second.fill(0);
  }
}

const CHUNK = 16_384;

/**
 * Overwrites `out` with independent Poisson samples.
 *
 * @param out integers come out, in either type
 * @param mean above 0, at most 2^44
 * @param random the cryptographic source
 * @throws PrivacyError INVALID_PARAMETER, OUT_OF_RANGE
 */
export function fillPoisson(out: Float64Array | Int32Array, mean: number, random: RandomSource): void {
  new PoissonSampler(mean, random).fill(out);
}

/**
 * Overwrites `out` with independent Skellam samples.
 *
 * @param out integers come out, in either type
 * @param noiseStdDev above 0, at most 2^22
 * @param random the cryptographic source
 * @throws PrivacyError INVALID_PARAMETER, OUT_OF_RANGE
 */
export function fillSkellam(out: Float64Array | Int32Array, noiseStdDev: number, random: RandomSource): void {
  new SkellamSampler(noiseStdDev, random).fill(out);
}
