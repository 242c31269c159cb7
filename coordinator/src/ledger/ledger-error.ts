import { LedgerError, type LedgerErrorCode } from "@fedloop/consent";
import { CoordinatorError, type CoordinatorErrorCode } from "../errors.js";

/** What a caller is told when the ledger's own rules refuse an entry. */
const CODES: Readonly<Record<LedgerErrorCode, CoordinatorErrorCode>> = {
  BAD_BUNDLE: "BAD_REQUEST",
  BAD_CHECKPOINT: "BAD_REQUEST",
  BAD_ENCODING: "BAD_ENTRY",
  BAD_ENTRY: "BAD_ENTRY",
  BAD_KEY: "BAD_ENTRY",
  BAD_NOTE: "BAD_REQUEST",
  BAD_SIGNATURE: "BAD_SIGNATURE",
  BAD_TILE: "BAD_REQUEST",
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
  return cause instanceof LedgerError ? new CoordinatorError(CODES[cause.code], cause.message, { cause }) : cause;
}
