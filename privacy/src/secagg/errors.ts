/** Every code a `SecAggError` can carry. `docs/secure-aggregation.md` lists each with what to do about it. */
export const SECAGG_ERROR_CODES = [
  // What a plan asks for.
  "BAD_PARAMETERS",
  "INFEASIBLE_GRAPH",
  // What a device refuses, and thereby leaves the round.
  "BELOW_MINIMUM_COHORT",
  "WRONG_GRAPH",
  "ALIVE_AND_DEAD",
  "LISTED_DEAD",
  "TOO_FEW_SHARES",
  "TOO_FEW_SURVIVORS",
  "TOO_FEW_SIGNATURES",
  "OUT_OF_RANGE",
  // What either side refuses in a message.
  "MALFORMED",
  "UNKNOWN_MEMBER",
  "DUPLICATE_MEMBER",
  "DUPLICATE_KEY",
  "LOW_ORDER_KEY",
  "BAD_SIGNATURE",
  "WRONG_LENGTH",
  "WRONG_SHARE_KIND",
  "CONFLICT",
  "WRONG_STATE",
  // What the platform cannot do.
  "SECRET_ERASED",
  "CRYPTO_UNAVAILABLE",
  "WORKER_FAILED",
  "CANCELLED",
] as const;

/** A stable code: what went wrong, for programs. On a device it is the reason for which it left the round. */
export type SecAggErrorCode = (typeof SECAGG_ERROR_CODES)[number];

/**
 * Why a server gives a round up. Nothing but the abandoned round is lost: without enough unmask shares the sum stays
 * masked for ever.
 */
export const ABANDON_REASONS = [
  "TOO_FEW_MEMBERS",
  "INFEASIBLE_GRAPH",
  "TOO_FEW_SHARERS",
  "TOO_FEW_SURVIVORS",
  "TOO_FEW_SIGNATURES",
  "TOO_FEW_UNMASK_SHARES",
  "INCONSISTENT_DEALER",
] as const;

export type AbandonReason = (typeof ABANDON_REASONS)[number];

/** The one error class of secure aggregation: a code, a sentence that says what was expected and what came, a cause. */
export class SecAggError extends Error {
  readonly code: SecAggErrorCode;

  constructor(code: SecAggErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "SecAggError";
    this.code = code;
  }
}
