import { bernoulliExp } from "./bernoulli.js";
import { discreteLaplace } from "./discreteLaplace.js";
import { type Rational, requirePositiveRational } from "./rational.js";
import type { RandomSource } from "./source.js";
import { UniformWords } from "./words.js";

/**
 * One exact sample of the discrete Gaussian distribution: P(x) ∝ exp(−x² / 2σ²) on the integers, with arithmetic on
 * integers only. For many samples `fillDiscreteGaussian` draws from the same distribution much faster.
 * Source: Canonne, Kamath, Steinke (2020), Algorithm 3.
 *
 * @param sigma the parameter σ above zero, as a rational
 * @param random the cryptographic source
 * @throws PrivacyError INVALID_PARAMETER
 */
export function sampleDiscreteGaussian(sigma: Rational, random: RandomSource): bigint {
  requirePositiveRational("sigma", sigma);
  const words = new UniformWords(random);
  const n = sigma.numerator;
  const d = sigma.denominator;
  const t = n / d + 1n;
  for (;;) {
    const candidate = discreteLaplace({ numerator: t, denominator: 1n }, words);
    const magnitude = candidate < 0n ? -candidate : candidate;
    // (|y| − σ²/t)² / 2σ² = (|y|·t·d² − n²)² / (2 t² n² d²)
    const difference = magnitude * t * d * d - n * n;
    const exponent = { numerator: difference * difference, denominator: 2n * t * t * n * n * d * d };
    if (bernoulliExp(exponent, words)) {
      return candidate;
    }
  }
}
