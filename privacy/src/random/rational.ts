import { PrivacyError } from "../errors.js";

/** A rational number: `numerator / denominator`, the denominator above zero. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/**
 * The exact value of a double as a rational; a double is an integer times a power of two.
 *
 * @param value any finite number
 * @returns numerator and denominator, in lowest terms
 * @throws PrivacyError INVALID_PARAMETER when the value is not finite
 */
export function rationalFromNumber(value: number): Rational {
  if (!Number.isFinite(value)) {
    throw new PrivacyError("INVALID_PARAMETER", `A rational needs a finite number, not ${value}.`);
  }
  let mantissa = value;
  let exponent = 0;
  // Doubling is exact, also from the subnormals, and halving is exact while the value is not an integer.
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent += 1;
  }
  return { numerator: BigInt(mantissa), denominator: 1n << BigInt(exponent) };
}

/** @throws PrivacyError INVALID_PARAMETER unless the value is a well-formed rational above zero */
export function requirePositiveRational(name: string, value: Rational): void {
  if (value.denominator <= 0n || value.numerator <= 0n) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      `${name} must be a rational above 0 with a denominator above 0, not ${value.numerator}/${value.denominator}.`,
    );
  }
}
