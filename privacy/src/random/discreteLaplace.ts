import { bernoulli, bernoulliExp } from "./bernoulli.js";
import { type Rational, requirePositiveRational } from "./rational.js";
import type { RandomSource } from "./source.js";
import { UniformWords } from "./words.js";

/**
 * One exact sample of the discrete Laplace distribution: P(x) ∝ exp(−|x| / scale) on the integers.
 * Source: Canonne, Kamath, Steinke (2020), Algorithm 2.
 *
 * @param scale above zero, as a rational
 * @param random the cryptographic source
 * @throws PrivacyError INVALID_PARAMETER
 */
export function sampleDiscreteLaplace(scale: Rational, random: RandomSource): bigint {
  requirePositiveRational("scale", scale);
  return discreteLaplace(scale, new UniformWords(random));
}

/** The same, from words; `scale` is known to be positive. */
export function discreteLaplace(scale: Rational, words: UniformWords): bigint {
  const t = scale.numerator;
  const s = scale.denominator;
  for (;;) {
    const remainder = words.below(t);
    if (!bernoulliExp({ numerator: remainder, denominator: t }, words)) {
      continue;
    }
    let quotient = 0n;
    while (bernoulliExp({ numerator: 1n, denominator: 1n }, words)) {
      quotient += 1n;
    }
    const magnitude = (remainder + t * quotient) / s;
    const negative = bernoulli(1n, 2n, words);
    if (negative && magnitude === 0n) {
      continue;
    }
    return negative ? -magnitude : magnitude;
  }
}
