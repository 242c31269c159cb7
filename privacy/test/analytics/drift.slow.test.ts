/**
 * Drift, measured: a histogram of 10 bins, asked again and again of 1 000 fresh participants under noise of 5 people on each
 * bin, which costs ε = 0.84 a round at δ = 1e-6. 2 000 comparisons without drift raise a false alarm in 1 of 100 at most (at a
 * rate of 0.5 % more than 20 come by chance in 2 of 1 000 choices of seeds); a shift in 30 % of the devices is found in 3 rounds.
 */
import t from "tap";
import { driftAtNewest, driftBetween, type NoisedHistogram } from "../../src/analytics/index.js";
import { type Chance, chance } from "../experiments/chance.js";

const PEOPLE = 1_000;
const NOISE = 5;
const SHARES = [0.22, 0.19, 0.16, 0.12, 0.1, 0.08, 0.06, 0.04, 0.02, 0.01];

/** Of those that have moved, each is two bins on. */
function histogram({ uniform, normal }: Chance, moved: number): NoisedHistogram {
  const counts = SHARES.map(() => 0);
  for (let i = 0; i < PEOPLE; i++) {
    let left = uniform();
    let bin = SHARES.findIndex((share) => {
      left -= share;
      return left < 0;
    });
    if (bin < 0) bin = SHARES.length - 1;
    if (uniform() < moved) bin = Math.min(bin + 2, SHARES.length - 1);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { counts: counts.map((count) => count + NOISE * normal()), noiseVariance: NOISE * NOISE };
}

t.test(
  "without drift there is at most one alarm in 100 comparisons, and they come at the rate that is said",
  async (t) => {
    const draws = chance(31);
    const comparisons = 2_000;
    let alarms = 0;
    let atFive = 0;
    let over = 0;
    for (let i = 0; i < comparisons; i++) {
      const reference = histogram(draws, 0);
      const present = histogram(draws, 0);
      const drift = driftBetween(reference, present);
      alarms += drift?.isDrift === true ? 1 : 0;
      over += drift !== null && drift.jensenShannon.value > drift.jensenShannon.threshold ? 1 : 0;
      atFive += driftBetween(reference, present, 0.05)?.isDrift === true ? 1 : 0;
    }
    t.comment(`${alarms} alarms, ${over} by Jensen–Shannon, ${atFive} at a rate of 5 %, of ${comparisons}`);
    t.ok(alarms <= comparisons / 100, `${alarms} alarms`);
    t.ok(over <= comparisons / 100, `${over} Jensen–Shannon divergences above their threshold`);
    t.ok(atFive > 0.03 * comparisons && atFive < 0.07 * comparisons, `${atFive} at a rate of 5 %`);
  },
);

t.test("watching ten rounds without drift raises an alarm in at most 1 of 100 rounds", async (t) => {
  const draws = chance(33);
  let alarms = 0;
  for (let run = 0; run < 100; run++) {
    const reference = histogram(draws, 0);
    const recent: NoisedHistogram[] = [];
    for (let round = 0; round < 10; round++) {
      recent.push(histogram(draws, 0));
      alarms += driftAtNewest(reference, recent)?.isDrift === true ? 1 : 0;
    }
  }
  t.comment(`${alarms} alarms in 1000 rounds`);
  t.ok(alarms <= 10, `${alarms} alarms in 1000 rounds`);
});

t.test("a shift in 30 % of the devices is found in 3 rounds", async (t) => {
  const draws = chance(32);
  const runs = 300;
  const found = [0, 0, 0];
  for (let run = 0; run < runs; run++) {
    const reference = histogram(draws, 0);
    const recent: NoisedHistogram[] = [];
    const first = [0, 1, 2].find(() => {
      recent.push(histogram(draws, 0.3));
      return driftAtNewest(reference, recent)?.isDrift === true;
    });
    if (first !== undefined) found[first] = (found[first] ?? 0) + 1;
  }
  t.comment(`found in round 1, 2, 3: ${found.join(", ")} of ${runs}`);
  t.ok(found.reduce((sum, count) => sum + count, 0) >= 0.98 * runs, `${found.join(", ")} of ${runs}`);
});
