import type { AbandonReason } from "./states.js";

/** How often and how fast abandoned rounds are tried again. */
export interface RoundRetries {
  /** After so many in a row that came to nothing the population is paused, until an operator resumes it. */
  readonly pauseAfter: number;
  /** The wait after the first, doubled for each further one up to `longestMs`. */
  readonly firstMs: number;
  readonly longestMs: number;
}

export const DEFAULT_ROUND_RETRIES: RoundRetries = { pauseAfter: 5, firstMs: 2_000, longestMs: 300_000 };

/** What says nothing about the next attempt: the operator's own doing, a restart, or a budget that ends everything anyway. */
const NO_FAILURE: ReadonlySet<AbandonReason> = new Set([
  "OPERATOR_STOPPED",
  "COORDINATOR_RESTARTED",
  "BUDGET_EXCEEDED",
]);

/** Whether a round that was abandoned for this counts towards the pause. */
export function isFailure(reason: AbandonReason): boolean {
  return !NO_FAILURE.has(reason);
}

/**
 * How long the next round waits, milliseconds.
 *
 * @param failures rounds in a row that came to nothing
 */
export function waitAfter({ firstMs, longestMs }: RoundRetries, failures: number): number {
  return failures === 0 ? 0 : Math.min(firstMs * 2 ** (failures - 1), longestMs);
}
