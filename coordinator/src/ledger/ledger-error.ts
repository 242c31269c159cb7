import { LedgerError, type LedgerErrorCode } from "@fedloop/consent";
import { CoordinatorError, type CoordinatorErrorCode } from "../errors.js";

/** What a caller is told when the ledger's own rules refuse what it sent; any other refusal is a BAD_REQUEST. */
const CODES: Readonly<Partial<Record<LedgerErrorCode, CoordinatorErrorCode>>> = {
  BAD_ENCODING: "BAD_ENTRY",
  BAD_ENTRY: "BAD_ENTRY",
  BAD_KEY: "BAD_ENTRY",
  BAD_SIGNATURE: "BAD_SIGNATURE",
  CHAIN_BROKEN: "CHAIN_BROKEN",
  NOT_CANONICAL: "BAD_ENTRY",
  OUT_OF_RANGE: "OUT_OF_RANGE",
  STALE_POLICY: "STALE_POLICY",
  TOO_DEEP: "BAD_ENTRY",
  TOO_LARGE: "TOO_LARGE",
  WITHDRAWN_LATER: "WITHDRAWN_LATER",
  WRONG_SUBJECT: "WRONG_SUBJECT",
};

/** A `LedgerError` as the error of this package that a caller is told; every other error as it is. */
export function asCoordinatorError(cause: unknown): unknown {
  if (!(cause instanceof LedgerError)) return cause;
  return new CoordinatorError(CODES[cause.code] ?? "BAD_REQUEST", cause.message, { cause });
}
