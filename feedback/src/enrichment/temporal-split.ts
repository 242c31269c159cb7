// What trains and what is kept for evaluation, divided in time: a model is asked for what comes next, so it must not have
// learnt from what came later. Rows drawn at random are easier to predict than the future, and flatter the model.
import { FeedbackError } from "../errors.js";

/** Where the time is cut. */
export type TemporalCut =
  /** At a moment that all devices share, milliseconds since the epoch: rows from then on are kept. */
  | { readonly fromMs: number }
  /** At the latest rows of the device itself: this share of them, above 0 and below 1, rounded down, is kept. */
  | { readonly latestShare: number };

function cutMs(timesMs: readonly number[], cut: TemporalCut): number {
  if ("fromMs" in cut) return cut.fromMs;
  const ordered = timesMs.toSorted((one, other) => one - other);
  return ordered[ordered.length - Math.floor(ordered.length * cut.latestShare)] ?? Number.POSITIVE_INFINITY;
}

/**
 * Divides rows so that each one that trains lies before each one that is kept. Rows of one moment stay together: with
 * `latestShare` all that share the moment of the cut are kept. The same rows give the same split.
 *
 * @param timesMs of each row, milliseconds since the epoch, in any order
 * @returns as many numbers: 1 where a row is kept for evaluation, 0 where it trains, as trainers take it for `held`
 * @throws FeedbackError BAD_OPTION for a time, a moment or a share that is out of its range
 */
export function temporalSplit(timesMs: readonly number[], cut: TemporalCut): Uint8Array {
  if (!timesMs.every(Number.isFinite)) throw new FeedbackError("BAD_OPTION", "expected a finite time of each row");
  if ("fromMs" in cut ? !Number.isFinite(cut.fromMs) : !(cut.latestShare > 0 && cut.latestShare < 1)) {
    throw new FeedbackError("BAD_OPTION", "expected `fromMs` as a finite moment, or `latestShare` above 0 and below 1");
  }
  const fromMs = cutMs(timesMs, cut);
  return Uint8Array.from(timesMs, (atMs) => (atMs >= fromMs ? 1 : 0));
}
