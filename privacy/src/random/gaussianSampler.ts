import { PrivacyError } from "../errors.js";
import { expNegative, expNegativeInterval } from "../numerics/expNegative.js";
import { requirePositive } from "../parameters.js";
import { AliasTable } from "./aliasTable.js";
import { type Rational, rationalFromNumber } from "./rational.js";
import type { RandomSource } from "./source.js";
import { UniformWords } from "./words.js";

/**
 * Integers beyond ±TAIL·σ are never drawn. P(|X| ≥ m) ≤ 2·exp(−m²/2σ²) for the discrete Gaussian (it is subgaussian
 * with parameter σ: Canonne, Kamath, Steinke 2020, Lemma 4.2), so this leaves out less than 2·exp(−13.5²/2) < 2^-130.
 */
const TAIL = 13.5;

/** Bound on the statistical distance between one sample of `DiscreteGaussianSampler` and the discrete Gaussian. */
export const SAMPLE_DISTANCE_BOUND: number = 2 ** -130;

const BLOCKS = 1024;
const WEIGHT_TOTAL = 4_294_967_296;

/**
 * Relative slack that covers every floating-point error of the envelope. x²/2σ² is at most 128 where it is computed and
 * carries 3 roundings of 2^-53 each: 2^-44.4 absolute, that is relative in the exponential, whose own error is 2^-49.
 */
const SLACK = 2 ** -40;

/**
 * Discrete Gaussian samples, P(x) ∝ exp(−x² / 2σ²) on the integers, by rejection from a staircase: blocks of 2^e
 * integers, each with an integer weight that lies above the density of all of its integers. A block is drawn by the
 * alias method with integer weights, an integer in it uniformly, and it is kept with the ratio of density to
 * staircase. Almost always 32 random bits decide that against a precomputed lower bound of the ratio; else 53 bits
 * against the ratio in floating point with an error bound; and where that is still undecided, integer arithmetic with
 * as many further random bits as needed. No rounding enters the result: apart from the tail that is cut off, the
 * distribution is exact, and the distance of n samples to n exact ones is at most n · 2^-130.
 *
 * The number of random bits used depends on the samples: draw noise off the path whose time an observer can measure.
 */
export class DiscreteGaussianSampler {
  /** σ, the parameter of the distribution: its standard deviation, but for very small σ. */
  readonly noiseStdDev: number;
  /** No sample is above this in magnitude. */
  readonly largest: number;
  readonly #words: UniformWords;
  readonly #blockBits: number;
  readonly #blockSize: number;
  readonly #density: number;
  readonly #alias: AliasTable;
  readonly #weights: Float64Array;
  readonly #sureAccept: Float64Array;
  readonly #exactSigma: Rational;

  /**
   * @param noiseStdDev σ > 0, taken as the exact value of the double; at most 2^45
   * @param random the cryptographic source
   * @throws PrivacyError INVALID_PARAMETER
   */
  constructor(noiseStdDev: number, random: RandomSource) {
    requirePositive("noiseStdDev", noiseStdDev);
    if (noiseStdDev > 2 ** 45) {
      throw new PrivacyError(
        "INVALID_PARAMETER",
        `noiseStdDev must be at most 2^45, so that samples fit a double: ${noiseStdDev}.`,
      );
    }
    this.noiseStdDev = noiseStdDev;
    this.#exactSigma = rationalFromNumber(noiseStdDev);
    this.#words = new UniformWords(random, 8192);
    const reach = Math.ceil(TAIL * noiseStdDev);
    let bits = 0;
    while ((BLOCKS / 2) * 2 ** bits < reach + 1) {
      bits += 1;
    }
    this.#blockBits = bits;
    this.#blockSize = 2 ** bits;

    const highest = new Float64Array(BLOCKS);
    const lowest = new Float64Array(BLOCKS);
    let largest = 0;
    let total = 0;
    for (let block = 0; block < BLOCKS; block++) {
      const first = (block - BLOCKS / 2) * this.#blockSize;
      const last = first + this.#blockSize - 1;
      const nearest = first >= 0 ? first : -last;
      if (nearest > reach) {
        continue;
      }
      const farthest = first >= 0 ? last : -first;
      largest = Math.max(largest, farthest);
      highest[block] = this.#unnormalised(nearest);
      lowest[block] = this.#unnormalised(farthest);
      total += highest[block] ?? 0;
    }
    this.largest = largest;

    // Weights are at least density · P(x) for each x of the block, and sum to 2^32 (the middle block takes the rest).
    this.#density = Math.floor((WEIGHT_TOTAL - 2 * BLOCKS) / (total * (1 + SLACK)));
    this.#weights = new Float64Array(BLOCKS);
    this.#sureAccept = new Float64Array(BLOCKS);
    let used = 0;
    for (let block = 0; block < BLOCKS; block++) {
      const top = highest[block] ?? 0;
      if (top > 0) {
        const weight = Math.ceil(this.#density * top * (1 + SLACK));
        this.#weights[block] = weight;
        used += weight;
      }
    }
    const middle = BLOCKS / 2;
    this.#weights[middle] = (this.#weights[middle] ?? 0) + WEIGHT_TOTAL - used;
    for (let block = 0; block < BLOCKS; block++) {
      const weight = this.#weights[block] ?? 0;
      if (weight > 0) {
        const ratio = (this.#density * (lowest[block] ?? 0)) / weight;
        this.#sureAccept[block] = Math.floor(WEIGHT_TOTAL * ratio * (1 - SLACK));
      }
    }
    this.#alias = new AliasTable(this.#weights, WEIGHT_TOTAL);
  }

  /**
   * Overwrites `out` with independent samples.
   *
   * @param out integers come out, in either type
   * @throws PrivacyError OUT_OF_RANGE when an Int32Array could not hold every possible sample
   */
  fill(out: Float64Array | Int32Array): void {
    if (out instanceof Int32Array && this.largest > 2_147_483_647) {
      throw new PrivacyError(
        "OUT_OF_RANGE",
        `Samples with noiseStdDev ${this.noiseStdDev} can exceed 32 bits; fill a Float64Array instead.`,
      );
    }
    const words = this.#words;
    const alias = this.#alias;
    const sureAccept = this.#sureAccept;
    const blockSize = this.#blockSize;
    let filled = 0;
    while (filled < out.length) {
      const block = alias.pick(words.next());
      const value = (block - BLOCKS / 2) * blockSize + this.#offset();
      const draw = words.next();
      if (draw < (sureAccept[block] ?? 0) || this.#decide(value, block, draw)) {
        out[filled++] = value;
      }
    }
  }

  #offset(): number {
    const bits = this.#blockBits;
    if (bits === 0) {
      return 0;
    }
    if (bits <= 32) {
      return this.#words.next() >>> (32 - bits);
    }
    return (this.#words.next() >>> (64 - bits)) * WEIGHT_TOTAL + this.#words.next();
  }

  /** Whether a uniform real whose first 32 bits are `draw` lies below density · P(value) / weight. */
  #decide(value: number, block: number, draw: number): boolean {
    const weight = this.#weights[block] ?? 0;
    const ratio = (this.#density * this.#unnormalised(Math.abs(value))) / weight;
    const extended = draw * 2 ** 21 + (this.#words.next() >>> 11);
    const uniform = extended / 2 ** 53;
    if (uniform + 2 ** -53 <= ratio * (1 - SLACK)) {
      return true;
    }
    if (uniform >= ratio * (1 + SLACK)) {
      return false;
    }
    return liesBelow(
      { prefix: BigInt(extended), prefixBits: 53 },
      { value: BigInt(value), sigma: this.#exactSigma, density: BigInt(this.#density), weight: BigInt(weight) },
      this.#words,
    );
  }

  /** exp(−x²/2σ²) for x ≥ 0, relative error below SLACK/16 where it is at least exp(−128), and 0 below. */
  #unnormalised(x: number): number {
    const z = x / this.noiseStdDev;
    const y = (z * z) / 2;
    return y > 128 ? 0 : expNegative(y);
  }
}

/** The first bits of a uniform real in [0, 1). */
export interface UniformPrefix {
  readonly prefix: bigint;
  readonly prefixBits: number;
}

/** The real number density · exp(−value²/2σ²) / weight. */
export interface AcceptanceRatio {
  readonly value: bigint;
  readonly sigma: Rational;
  readonly density: bigint;
  readonly weight: bigint;
}

/**
 * Whether a uniform real lies below a ratio, exactly: both are known as intervals of integers, which are narrowed
 * (more random bits, more digits of the exponential) until they no longer overlap.
 */
export function liesBelow(uniform: UniformPrefix, ratio: AcceptanceRatio, words: UniformWords): boolean {
  const n = ratio.sigma.numerator;
  const d = ratio.sigma.denominator;
  const exponent: Rational = {
    numerator: ratio.value * ratio.value * d * d,
    denominator: 2n * n * n,
  };
  let prefix = uniform.prefix;
  let prefixBits = uniform.prefixBits;
  for (;;) {
    const bounds = expNegativeInterval(exponent, prefixBits + 16);
    // uniform ∈ [prefix, prefix + 1] / 2^prefixBits against density · [low, high] / 2^bits / weight
    const scale = ratio.weight << BigInt(bounds.bits);
    if ((prefix + 1n) * scale <= (ratio.density * bounds.low) << BigInt(prefixBits)) {
      return true;
    }
    if (prefix * scale >= (ratio.density * bounds.high) << BigInt(prefixBits)) {
      return false;
    }
    prefix = (prefix << 32n) | BigInt(words.next());
    prefixBits += 32;
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
