import { PrivacyError } from "./errors.js";

/**
 * @param name the parameter's name, for the message
 * @param value what the caller gave
 * @returns the value, known to be finite and above zero
 * @throws PrivacyError INVALID_PARAMETER
 */
export function requirePositive(name: string, value: number): number {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new PrivacyError("INVALID_PARAMETER", `${name} must be a finite number above 0, not ${value}.`);
  }
  return value;
}

/**
 * @param name the parameter's name, for the message
 * @param value what the caller gave
 * @param minimum smallest accepted integer
 * @param maximum largest accepted integer
 * @returns the value, known to be an integer in [minimum, maximum]
 * @throws PrivacyError INVALID_PARAMETER
 */
export function requireInteger(
  name: string,
  value: number,
  minimum: number,
  maximum: number = Number.MAX_SAFE_INTEGER,
): number {
  if (!(Number.isSafeInteger(value) && value >= minimum && value <= maximum)) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      `${name} must be an integer from ${minimum} to ${maximum}, not ${value}.`,
    );
  }
  return value;
}

/**
 * @param name the parameter's name, for the message
 * @param value what the caller gave
 * @returns the value, known to lie strictly between 0 and 1
 * @throws PrivacyError INVALID_PARAMETER
 */
export function requireOpenUnit(name: string, value: number): number {
  if (!(value > 0 && value < 1)) {
    throw new PrivacyError("INVALID_PARAMETER", `${name} must lie strictly between 0 and 1, not ${value}.`);
  }
  return value;
}
