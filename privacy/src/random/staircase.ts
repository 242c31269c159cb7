import type { FixedInterval } from "../numerics/expNegative.js";
import { AliasTable } from "./aliasTable.js";
import type { RandomSource } from "./source.js";
import { UniformWords } from "./words.js";

/** A distribution on the integers that rises to its mode and falls after it. */
export interface UnimodalDensity {
  readonly mode: number;
  /** Integers outside [low, high] are not drawn. */
  readonly low: number;
  readonly high: number;
  /** P(x)/P(mode), relative error below SLACK/4; 0 may stand for what is below e^-128. */
  ratio(x: number): number;
  /** P(x)/P(mode) between two ends, closer to each other the more bits are asked for. */
  ratioInterval(x: number, bits: number): FixedInterval;
}

const BLOCKS = 1024;
const WEIGHT_TOTAL = 4_294_967_296;

/** Relative slack that covers every floating-point error of the envelope and of the ratios. */
export const SLACK: number = 2 ** -40;

/**
 * Samples of a unimodal distribution by rejection from a staircase: blocks of 2^e integers, each with an integer weight
 * that lies above the density of all of its integers. A block is drawn by the alias method with integer weights, an
 * integer in it uniformly, and it is kept with the ratio of density to staircase. Almost always 32 random bits decide that
 * against a precomputed lower bound of the ratio; else 53 bits against the ratio in floating point with an error bound; and
 * where that is still undecided, integer arithmetic with as many further random bits as needed. No rounding enters the
 * result: within [low, high] the distribution is exact.
 *
 * The number of random bits used depends on the samples: draw noise off the path whose time an observer can measure.
 */
export class StaircaseSampler {
  /** The samples lie between these. */
  readonly lowest: number;
  readonly highest: number;
  readonly #target: UnimodalDensity;
  readonly #words: UniformWords;
  readonly #blockBits: number;
  readonly #blockSize: number;
  readonly #density: number;
  readonly #alias: AliasTable;
  readonly #weights: Float64Array;
  readonly #sureAccept: Float64Array;

  /**
   * @param target the distribution
   * @param random the cryptographic source
   */
  constructor(target: UnimodalDensity, random: RandomSource) {
    this.#target = target;
    this.#words = new UniformWords(random, 8192);
    let bits = 0;
    while (BLOCKS * 2 ** bits < target.high - target.low + 1) {
      bits += 1;
    }
    this.#blockBits = bits;
    this.#blockSize = 2 ** bits;

    const highest = new Float64Array(BLOCKS);
    const lowest = new Float64Array(BLOCKS);
    let used = 0;
    let total = 0;
    for (let block = 0; block < BLOCKS; block++) {
      const first = target.low + block * this.#blockSize;
      if (first > target.high) {
        break;
      }
      const last = first + this.#blockSize - 1;
      highest[block] = target.ratio(Math.min(Math.max(target.mode, first), last));
      lowest[block] = Math.min(target.ratio(first), target.ratio(last));
      total += highest[block] ?? 0;
      used = block + 1;
    }
    this.lowest = target.low;
    this.highest = target.low + used * this.#blockSize - 1;

    // Weights are at least density · ratio(x) for each x of the block, and sum to 2^32 (the mode's block takes the rest).
    this.#density = Math.floor((WEIGHT_TOTAL - 2 * BLOCKS) / (total * (1 + SLACK)));
    this.#weights = new Float64Array(BLOCKS);
    this.#sureAccept = new Float64Array(BLOCKS);
    let given = 0;
    for (let block = 0; block < used; block++) {
      const top = highest[block] ?? 0;
      if (top > 0) {
        const weight = Math.ceil(this.#density * top * (1 + SLACK));
        this.#weights[block] = weight;
        given += weight;
      }
    }
    const modal = Math.floor((target.mode - target.low) / this.#blockSize);
    this.#weights[modal] = (this.#weights[modal] ?? 0) + WEIGHT_TOTAL - given;
    for (let block = 0; block < used; block++) {
      const weight = this.#weights[block] ?? 0;
      if (weight > 0) {
        const share = (this.#density * (lowest[block] ?? 0)) / weight;
        this.#sureAccept[block] = Math.floor(WEIGHT_TOTAL * share * (1 - SLACK));
      }
    }
    this.#alias = new AliasTable(this.#weights, WEIGHT_TOTAL);
  }

  /** Overwrites `out` with independent samples; they must fit its type. */
  fill(out: Float64Array | Int32Array): void {
    const words = this.#words;
    const alias = this.#alias;
    const sureAccept = this.#sureAccept;
    const blockSize = this.#blockSize;
    const low = this.lowest;
    let filled = 0;
    while (filled < out.length) {
      const block = alias.pick(words.next());
      const value = low + block * blockSize + this.#offset();
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

  /** Whether a uniform real whose first 32 bits are `draw` lies below density · ratio / weight. */
  #decide(value: number, block: number, draw: number): boolean {
    const weight = this.#weights[block] ?? 0;
    const share = (this.#density * this.#target.ratio(value)) / weight;
    const prefix = draw * 2 ** 21 + (this.#words.next() >>> 11);
    const uniform = prefix / 2 ** 53;
    if (uniform + 2 ** -53 <= share * (1 - SLACK)) {
      return true;
    }
    if (uniform >= share * (1 + SLACK)) {
      return false;
    }
    const target = this.#target;
    return liesBelow(
      { prefix: BigInt(prefix), prefixBits: 53 },
      {
        density: BigInt(this.#density),
        weight: BigInt(weight),
        ratio: (bits) => target.ratioInterval(value, bits),
      },
      this.#words,
    );
  }
}

/** The first bits of a uniform real in [0, 1). */
export interface UniformPrefix {
  readonly prefix: bigint;
  readonly prefixBits: number;
}

/** The real number density · ratio / weight. */
export interface AcceptanceShare {
  readonly density: bigint;
  readonly weight: bigint;
  readonly ratio: (bits: number) => FixedInterval;
}

/**
 * Whether a uniform real lies below a share, exactly: both are known as intervals of integers, which are narrowed (more
 * random bits, more digits) until they no longer overlap.
 */
export function liesBelow(uniform: UniformPrefix, share: AcceptanceShare, words: UniformWords): boolean {
  let prefix = uniform.prefix;
  let prefixBits = uniform.prefixBits;
  for (;;) {
    const bounds = share.ratio(prefixBits + 16);
    // uniform ∈ [prefix, prefix + 1] / 2^prefixBits against density · [low, high] / 2^bits / weight
    const scale = share.weight << BigInt(bounds.bits);
    if ((prefix + 1n) * scale <= (share.density * bounds.low) << BigInt(prefixBits)) {
      return true;
    }
    if (prefix * scale >= (share.density * bounds.high) << BigInt(prefixBits)) {
      return false;
    }
    prefix = (prefix << 32n) | BigInt(words.next());
    prefixBits += 32;
  }
}
