/** Every code a `CoordinatorError` can carry. The README of this package lists each with what to do about it. */
export const COORDINATOR_ERROR_CODES = [
  // Files that a person wrote.
  "BAD_PLAN",
  "BAD_CONFIG",
  "BAD_DATA",
  "FILE_UNREADABLE",
  "USAGE",
  // What the coordinator keeps.
  "STORE_LOCKED",
  "STORE_TOO_NEW",
  "STORE_UNREADABLE",
  "STORE_FAILED",
  "LEDGER_CORRUPT",
  "LEDGER_STOPPED",
  "CLOCK_BEHIND",
  "BAD_TENSORS",
  "ARTIFACT_CORRUPT",
  "VAULT_KEY_LOST",
  // What a caller sent.
  "BAD_REQUEST",
  "BAD_SIGNATURE",
  "BAD_ENTRY",
  "BAD_DIGEST",
  "CHAIN_BROKEN",
  "CLOCK_SKEW",
  "CONFLICT",
  "ERASED",
  "FORBIDDEN",
  "INCOMPLETE_UPLOAD",
  "NON_FINITE",
  "NORM_EXCEEDED",
  "NOT_ATTESTED",
  "NOT_FOUND",
  "NOT_IN_ROUND",
  "OUT_OF_RANGE",
  "REPLAYED",
  "SESSION_EXPIRED",
  "STALE_OFFER",
  "STALE_POLICY",
  "TOKEN_EXPIRED",
  "TOKEN_INVALID",
  "TOKEN_REQUIRED",
  "TOKEN_USED",
  "TOO_LARGE",
  "UNAUTHENTICATED",
  "UNKNOWN_POPULATION",
  "WITHDRAWN_LATER",
  "WRONG_LENGTH",
  "WRONG_STATE",
  "WRONG_SUBJECT",
  // What the coordinator will not do, or not now.
  "BUDGET_EXCEEDED",
  "NO_CONSENT",
  "BUSY",
  "RETRY",
  "ADDRESS_IN_USE",
  "UNREACHABLE",
  "ROUND_FAILED",
  "CANCELLED",
  "INTERNAL",
] as const;

/** A stable code: what went wrong, for programs. */
export type CoordinatorErrorCode = (typeof COORDINATOR_ERROR_CODES)[number];

/** What may come with an error beside its code and sentence. */
export interface CoordinatorErrorOptions {
  readonly cause?: unknown;
  /** When trying again may help, milliseconds from now; 0, the default, when it does not. */
  readonly retryAfterMs?: number;
}

/** The error of this package: `code` for programs; `message` says what was expected, what came and what to do. */
export class CoordinatorError extends Error {
  override readonly name: string = "CoordinatorError";
  readonly code: CoordinatorErrorCode;
  readonly retryAfterMs: number;

  constructor(code: CoordinatorErrorCode, message: string, options: CoordinatorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}
