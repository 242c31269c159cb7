import type { PrivacyErrorCode } from "@fedloop/privacy";
import type { CoordinatorErrorCode } from "../errors.js";

/** Exit codes of `fedloop`, with what a script may conclude from each. The README repeats them. */
export const EXIT_CODES = {
  0: "done, or stopped by a signal where stopping is the normal end",
  1: "a fault of fedloop itself",
  2: "the command line is wrong",
  3: "a file that a person wrote or named is wrong or cannot be read",
  4: "the data folder cannot be used: locked, damaged, full, or the clock is behind it",
  5: "refused by a privacy budget or for want of consent",
  6: "the training did not come to an end",
  7: "the network: an address in use, or nobody there",
  130: "interrupted before the end",
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

const OF_ERROR: Readonly<Partial<Record<string, ExitCode>>> = {
  USAGE: 2,
  BAD_PLAN: 3,
  BAD_CONFIG: 3,
  BAD_DATA: 3,
  BAD_TENSORS: 3,
  FILE_UNREADABLE: 3,
  CONFLICT: 3,
  STORE_LOCKED: 4,
  STORE_TOO_NEW: 4,
  STORE_UNREADABLE: 4,
  STORE_FAILED: 4,
  LEDGER_CORRUPT: 4,
  LEDGER_STOPPED: 4,
  CLOCK_BEHIND: 4,
  ARTIFACT_CORRUPT: 4,
  VAULT_KEY_LOST: 4,
  BUDGET_EXCEEDED: 5,
  NO_CONSENT: 5,
  ROUND_FAILED: 6,
  ADDRESS_IN_USE: 7,
  UNREACHABLE: 7,
  CANCELLED: 130,
} satisfies Partial<Record<CoordinatorErrorCode, ExitCode>>;

/** Errors of @fedloop/privacy: what `epsilon` and `calibrate` say about an event. Its README explains them. */
const OF_PRIVACY_ERROR: Readonly<Partial<Record<string, ExitCode>>> = {
  UNKNOWN_EVENT: 3,
  INVALID_EVENT: 3,
  UNSUPPORTED_EVENT: 3,
  INVALID_PARAMETER: 3,
  DELTA_TOO_SMALL: 3,
  TOO_COSTLY: 3,
  TARGET_UNREACHABLE: 5,
} satisfies Partial<Record<PrivacyErrorCode, ExitCode>>;

/** The exit code for an error's code; 1 for those that no person at the command line can have caused. */
export function exitCodeOf(code: string): ExitCode {
  const known = Object.hasOwn(OF_ERROR, code) ? OF_ERROR : OF_PRIVACY_ERROR;
  return Object.hasOwn(known, code) ? (known[code] ?? 1) : 1;
}
