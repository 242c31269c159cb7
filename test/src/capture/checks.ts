import type { Test } from "tap";
import type { CapturedRun } from "./captured-run.js";
import { findings, likeness, sentVectors, telltales, unmaskedVectors } from "./traces.js";

/**
 * Six standard deviations: a normal deviate is beyond in one of 5·10^8 draws, and about a thousand are drawn here.
 * Of few devices a correlation must be near to one to mean anything.
 */
const DEVIATIONS = 6;

export function leastCorrelation(devices: number): number {
  return Math.min(DEVIATIONS / Math.sqrt(devices), 0.85);
}

/** That nothing of anybody's data can be found in a run's traffic and files, and that the search would find it. */
export function checkCapture(t: Test, run: CapturedRun): void {
  const giving = run.people.filter(({ person }) => person.decision === "give").length;
  t.ok(run.verified, "the run's audit bundle verifies");
  const vectors = sentVectors(run);
  t.equal(vectors.length, giving * run.rounds.length, "everybody's vector of every round was recorded");
  const { found, needles } = findings(run);
  t.ok(needles > 50 * run.people.length, `${needles} needles`);
  t.same([...found].slice(0, 20), [], "no event, no update, in no encoding");
  for (const round of run.rounds) {
    if (round.mechanism === null || round.mechanism.length < 100) continue;
    const masked = likeness(run, round, vectors);
    t.equal(masked.count, giving);
    t.ok(
      Math.abs(masked.together) < DEVIATIONS,
      `masked vectors are like their updates by ${masked.together} deviations`,
    );
    t.ok(masked.largest < DEVIATIONS + 1, `the likest of them by ${masked.largest}`);
    const bare = likeness(run, round, unmaskedVectors(run, round));
    t.ok(bare.together > DEVIATIONS, `without masks it would be ${bare.together}`);
  }
  t.same(telltales(run, leastCorrelation(giving)), [], "nothing in clear goes with the number of examples");
}
