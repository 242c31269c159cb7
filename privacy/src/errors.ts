/** Every code a `PrivacyError` can carry. The README of this package lists each with what to do about it. */
export const PRIVACY_ERROR_CODES = [
  "INVALID_PARAMETER",
  "NON_FINITE",
  "WRONG_LENGTH",
  "OUT_OF_RANGE",
  "NORM_EXCEEDED",
  "UNKNOWN_EVENT",
  "INVALID_EVENT",
  "UNSUPPORTED_EVENT",
  "DELTA_TOO_SMALL",
  "TARGET_UNREACHABLE",
  "BUDGET_EXCEEDED",
  "TOO_COSTLY",
  "NO_RANDOMNESS",
] as const;

/** A stable code: what went wrong, for programs. */
export type PrivacyErrorCode = (typeof PRIVACY_ERROR_CODES)[number];

/** The one error class of this package: a code, a sentence that says what was expected and what came, and a cause. */
export class PrivacyError extends Error {
  readonly code: PrivacyErrorCode;

  constructor(code: PrivacyErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "PrivacyError";
    this.code = code;
  }
}
