/**
 * Are the analyses of experiments valid, noise included? 10 000 simulated A/A experiments, each with 20 looks at 200 fresh
 * participants: binomial outcomes, Gaussian noise on every sum as a release has it. Seeds are fixed. A rate of exactly 5 %
 * would exceed 5.45 % by chance in 2 % of choices of seeds; the always-valid test is conservative at 20 looks, and
 * is held to 5 % itself.
 */
import t from "tap";
import {
  armMean,
  confidenceSequence,
  difference,
  fixedTest,
  normalPosterior,
  pooled,
  type ReleasedExperiment,
  sampleRatio,
} from "../../src/experiments/index.js";
import { type Chance, chance } from "./chance.js";

const RUNS = 10_000;
const LOOKS = 20;
const PEOPLE = 200;
const NOISE = 5;

/** One look at fresh people, assigned by the toss of a coin. */
function look({ binomial, normal }: Chance, rates: readonly [number, number]): ReleasedExperiment {
  const inFirst = binomial(PEOPLE, 0.5);
  const arms = [inFirst, PEOPLE - inFirst].map((people, i) => {
    const successes = binomial(people, rates[i] ?? 0);
    const noised = (value: number): number => value + NOISE * normal();
    return {
      arm: "ab"[i] ?? "",
      sums: [noised(people), noised(2 * successes - people), noised(people)] as const,
    };
  });
  return { arms, lower: 0, upper: 1, noiseVariance: NOISE * NOISE };
}

function differenceOf(release: ReleasedExperiment) {
  const [control, arm] = release.arms.map((moments) => armMean(moments, release));
  return control == null || arm == null ? null : difference(control, arm);
}

function isMismatched({ arms, noiseVariance }: ReleasedExperiment, alarm?: number): boolean {
  const counts = arms.map(({ sums }) => sums[0]);
  return sampleRatio(counts, [0.5, 0.5], noiseVariance, alarm).isMismatch;
}

t.test(
  "peeking at 20 looks of 10 000 A/A runs stops at most 5 in 100; a fixed test that is peeked at does not hold",
  async (t) => {
    const draws = chance(2_024);
    let stopped = 0;
    let fooled = 0;
    let covered = 0;
    let fixedFalse = 0;
    let mismatches = 0;
    let alarmed = 0;
    for (let run = 0; run < RUNS; run++) {
      const looks: ReleasedExperiment[] = [];
      const differences: { value: number; variance: number }[] = [];
      let isStopped = false;
      let isFooled = false;
      let isAlarmed = false;
      for (let i = 0; i < LOOKS; i++) {
        looks.push(look(draws, [0.2, 0.2]));
        const found = differenceOf(looks[i] as ReleasedExperiment);
        if (found !== null) differences.push(found);
      }
      for (let i = 1; i <= differences.length; i++) {
        isStopped ||= confidenceSequence(differences.slice(0, i), { plannedLooks: LOOKS }).isDecided;
        const all = pooled(looks.slice(0, i));
        const seen = all === null ? null : differenceOf(all);
        isAlarmed ||= all !== null && isMismatched(all);
        isFooled ||= seen !== null && fixedTest(seen).pValue < 0.05;
      }
      const all = pooled(looks);
      const last = all === null ? null : differenceOf(all);
      if (last !== null && all !== null) {
        const { interval, pValue } = fixedTest(last);
        covered += interval[0] <= 0 && 0 <= interval[1] ? 1 : 0;
        fixedFalse += pValue < 0.05 ? 1 : 0;
        mismatches += isMismatched(all, 0.05) ? 1 : 0;
      }
      alarmed += isAlarmed ? 1 : 0;
      stopped += isStopped ? 1 : 0;
      fooled += isFooled ? 1 : 0;
    }
    t.comment(
      `always valid ${stopped / RUNS}, fixed and peeked ${fooled / RUNS}, fixed at the end ${fixedFalse / RUNS}, covered ${covered / RUNS}, ratio alarms at 20 looks ${alarmed / RUNS}`,
    );
    t.ok(stopped <= 0.05 * RUNS, `always valid: ${stopped} of ${RUNS}`);
    t.ok(fooled > 0.15 * RUNS, `peeking at a fixed test: ${fooled} of ${RUNS}, which is why there is another`);
    t.ok(fixedFalse <= 0.0545 * RUNS, `one look at the end: ${fixedFalse} of ${RUNS}`);
    t.ok(covered >= 0.93 * RUNS && covered <= 0.97 * RUNS, `intervals cover: ${covered} of ${RUNS}`);
    t.ok(mismatches >= 0.04 * RUNS && mismatches <= 0.06 * RUNS, `sample ratio at 5 %: ${mismatches} of ${RUNS}`);
    // 20 dependent looks at a level of 0.001 alarm in at most 20 of 1 000 runs.
    t.ok(alarmed <= 0.02 * RUNS, `ratio alarms in ${alarmed} of ${RUNS} runs that are looked at 20 times`);
  },
);

t.test("intervals of a true effect cover, and a mismatch of 60 to 40 is found", async (t) => {
  const draws = chance(77);
  const runs = 1_000;
  let covered = 0;
  let sequence = 0;
  let credible = 0;
  let found = 0;
  for (let run = 0; run < runs; run++) {
    const truth = 0.1 * draws.normal();
    const rates = [0.4 - truth / 2, 0.4 + truth / 2] as const;
    const looks = Array.from({ length: 5 }, () => look(draws, rates));
    const all = pooled(looks);
    const last = all === null ? null : differenceOf(all);
    if (last === null) continue;
    const within = ([low, high]: readonly [number, number]): number => (low <= truth && truth <= high ? 1 : 0);
    covered += within(fixedTest(last).interval);
    credible += within(normalPosterior(last, 0.1).interval);
    const each = looks.flatMap((one) => differenceOf(one) ?? []);
    sequence += within(confidenceSequence(each, { plannedLooks: 5 }).interval);
    const counts = [0.6, 0.4].map((share) => 1_000 * share + NOISE * draws.normal());
    found += sampleRatio(counts, [0.5, 0.5], NOISE * NOISE).isMismatch ? 1 : 0;
  }
  t.comment(`fixed ${covered}, credible ${credible}, sequence ${sequence}, mismatch ${found} of ${runs}`);
  t.ok(covered >= 930 && covered <= 970, `fixed: ${covered}`);
  t.ok(credible >= 930 && credible <= 970, `Bayesian, under its own prior: ${credible}`);
  t.ok(sequence >= 950, `sequence: ${sequence}`);
  t.ok(found >= 990, `mismatch: ${found}`);
});
