import { PrivacyError } from "../errors.js";
import type { Rational } from "./rational.js";
import type { UniformWords } from "./words.js";

/**
 * A coin that is true with probability `numerator / denominator`, exactly.
 *
 * @param numerator 0 ≤ numerator ≤ denominator
 * @param denominator above 0
 * @param words the random bits
 */
export function bernoulli(numerator: bigint, denominator: bigint, words: UniformWords): boolean {
  return words.below(denominator) < numerator;
}

/**
 * A coin that is true with probability exp(−x), exactly, for rational x ≥ 0, using only coins of rational bias.
 * Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), Algorithm 1.
 *
 * @throws PrivacyError INVALID_PARAMETER when x is negative or its denominator is not above zero
 */
export function bernoulliExp(x: Rational, words: UniformWords): boolean {
  if (x.numerator < 0n || x.denominator <= 0n) {
    throw new PrivacyError("INVALID_PARAMETER", `exp(-x) is a probability only for x ≥ 0, not for a negative x.`);
  }
  const whole = x.numerator / x.denominator;
  for (let done = 0n; done < whole; done += 1n) {
    if (!bernoulliExpUnit(1n, 1n, words)) {
      return false;
    }
  }
  return bernoulliExpUnit(x.numerator - whole * x.denominator, x.denominator, words);
}

/** The case 0 ≤ x ≤ 1: the first k at which a coin of bias x/k fails is odd with probability exp(−x). */
function bernoulliExpUnit(numerator: bigint, denominator: bigint, words: UniformWords): boolean {
  let k = 1n;
  while (bernoulli(numerator, denominator * k, words)) {
    k += 1n;
  }
  return (k & 1n) === 1n;
}
