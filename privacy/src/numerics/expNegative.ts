import type { Rational } from "../random/rational.js";

/** ln 2 in two parts: the first has 32 significant bits, so that its product with a small integer is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** 2^−k for k up to 255, by exact halving: engines may differ in `2 ** x`, never in a multiplication by a half. */
const HALVINGS: Float64Array = (() => {
  const table = new Float64Array(256);
  let value = 1;
  for (let k = 0; k < table.length; k++) {
    table[k] = value;
    value /= 2;
  }
  return table;
})();

/** 1/k!, k = 0…15. */
const INVERSE_FACTORIALS: Float64Array = (() => {
  const table = new Float64Array(16);
  let factorial = 1;
  for (let k = 0; k < table.length; k++) {
    factorial *= Math.max(k, 1);
    table[k] = 1 / factorial;
  }
  return table;
})();

/** `expNegative(y)` is within this relative distance of exp(−y), plus the relative effect of an error in y itself. */
export const EXP_NEGATIVE_ERROR: number = 2 ** -49;

/**
 * exp(−y) for 0 ≤ y ≤ 170, from additions and multiplications only, whose rounding IEEE 754 fixes: ECMAScript leaves
 * the accuracy of `Math.exp` open, and the samplers need a bound.
 *
 * Error: the reduction r = y − k·ln 2 costs below 2^-52 absolute (k·LN2_HIGH is exact for k < 2^21, the subtraction
 * loses at most half an ulp of a number below 1, and the low part is known to 2^-85 relative); |r| ≤ 0.35, where the Taylor
 * series to degree 15 leaves 0.35^16/16! < 2^-68, and Horner's rule below 2^-50; the power of two is exact.
 *
 * @param y between 0 and 170
 * @returns exp(−y), relative error below `EXP_NEGATIVE_ERROR`
 */
export function expNegative(y: number): number {
  const k = Math.round(y / LN2_HIGH);
  const r = k * LN2_HIGH - y + k * LN2_LOW;
  let sum = 0;
  for (let degree = 15; degree >= 0; degree--) {
    sum = sum * r + (INVERSE_FACTORIALS[degree] ?? 0);
  }
  return sum * (HALVINGS[k] ?? 0);
}

/** An interval with integer ends over a power of two: [low, high] / 2^bits. */
export interface FixedInterval {
  readonly low: bigint;
  readonly high: bigint;
  readonly bits: number;
}

/**
 * exp(−x) to any precision, by integer arithmetic with outward rounding: halve x until it is at most 1/2, bound the
 * alternating Taylor series between two partial sums, square back.
 *
 * @param x at least 0
 * @param bits about how many bits after the binary point the ends should agree in
 * @returns an interval that contains exp(−x)
 */
export function expNegativeInterval(x: Rational, bits: number): FixedInterval {
  const halvings = x.numerator === 0n ? 0 : Math.max(0, bitLength(x.numerator / x.denominator) + 1);
  const working = bits + 2 * halvings + 32;
  const shift = BigInt(working);
  const denominator = x.denominator << BigInt(halvings);
  const low = (x.numerator << shift) / denominator;
  const high = low + 1n;

  // Terms x^k/k! as intervals; even terms add, odd terms subtract; stop after an odd one, once a term is below an ulp.
  const one = 1n << shift;
  let termLow = one;
  let termHigh = one;
  let sumLow = one;
  let sumHigh = one;
  for (let k = 1n; ; k += 1n) {
    termLow = (termLow * low) / (k << shift);
    termHigh = (termHigh * high) / (k << shift) + 1n;
    if (k % 2n === 1n) {
      // A partial sum ending in an odd term is below the limit, one ending before it is above.
      if (termHigh <= 2n) {
        sumLow -= termHigh;
        break;
      }
      sumLow -= termHigh;
      sumHigh -= termLow;
    } else {
      sumLow += termLow;
      sumHigh += termHigh;
    }
  }
  let resultLow = sumLow < 0n ? 0n : sumLow;
  let resultHigh = sumHigh;
  for (let k = 0; k < halvings; k++) {
    resultLow = (resultLow * resultLow) >> shift;
    resultHigh = ((resultHigh * resultHigh) >> shift) + 1n;
  }
  return { low: resultLow, high: resultHigh, bits: working };
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}
