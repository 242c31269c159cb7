// Whether a device's log looks like somebody's practice. A script that clicks all night teaches the model nothing, and is not helped by it.
import { type CapturedEvent, type OutlierGate, outlierGate, seededNumbers } from "@fedloop/feedback";
import { wasRight } from "./registry.js";

const DAY_MS = 86_400_000;
/** A hard day's practice, in answers. */
const MOST_A_DAY = 120;
const REFERENCE = 400;

/** Fitting takes a tenth of a second, and a crowd is in one page. */
let fitted: OutlierGate | undefined;

/** Answers on the busiest day, and the share of right ones; a half while there are none. */
export function usualRow(events: readonly CapturedEvent[]): readonly number[] {
  const answers = events.filter((event) => wasRight(event) !== undefined);
  const days = new Map<number, number>();
  for (const { atMs } of answers) {
    const day = Math.floor(atMs / DAY_MS);
    days.set(day, (days.get(day) ?? 0) + 1);
  }
  const right = answers.filter((event) => wasRight(event) === true).length;
  return [Math.max(0, ...days.values()), answers.length === 0 ? 0.5 : right / answers.length];
}

/**
 * The same for all devices: fitted on a public table of anybody from who has not begun to who practises all day. The table goes beyond that
 * on all sides, so that who is at an edge, as all are on their first day, is not the strangest of all.
 */
export function usualGate(): OutlierGate {
  fitted ??= fit();
  return fitted;
}

function fit(): OutlierGate {
  const random = seededNumbers("usual practice");
  const reference = Array.from({ length: REFERENCE }, () => [
    MOST_A_DAY * (1.5 * random.uniform() - 0.5),
    1.6 * random.uniform() - 0.3,
  ]);
  return outlierGate({ reference, seed: "usual practice", falsePositives: 0.01 });
}
