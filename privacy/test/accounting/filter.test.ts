import t from "tap";
import { BudgetOdometer, type DpEvent, epsilonOf, PrivacyFilter } from "../../src/index.js";

const round: DpEvent = { type: "Gaussian", noiseMultiplier: 8 };

t.test("a filter stops exactly at the cap: the refused event is not counted", async (t) => {
  const filter = new PrivacyFilter({ epsilon: 2, delta: 1e-5, accountant: "rdp" });
  let rounds = 0;
  while (!filter.wouldExceed(round)) {
    const { epsilon } = filter.spend(round);
    rounds += 1;
    t.ok(epsilon <= 2);
  }
  const costOf = (count: number): number =>
    epsilonOf({ type: "SelfComposed", count, event: round }, 1e-5, "rdp").epsilon;
  t.ok(costOf(rounds) <= 2 && costOf(rounds + 1) > 2, `${rounds} rounds is the most that fits`);
  const before = filter.spent();
  t.throws(() => filter.spend(round), { code: "BUDGET_EXCEEDED" });
  t.same(filter.spent(), before);
  // A cheaper event still fits after the refusal, as it would have without it.
  const cheap: DpEvent = { type: "Gaussian", noiseMultiplier: 1000 };
  t.equal(filter.wouldExceed(cheap), false);
  filter.spend(cheap);
  t.throws(() => filter.spend({ type: "NonPrivate" }), { code: "BUDGET_EXCEEDED" });
});

t.test("a simulated year of daily rounds stops exactly at the cap, by each accountant", async (t) => {
  const daily: DpEvent = { type: "Gaussian", noiseMultiplier: 12 };
  const weekly: DpEvent = {
    type: "PoissonSampled",
    samplingProbability: 0.1,
    event: { type: "Gaussian", noiseMultiplier: 2 },
  };
  for (const accountant of ["rdp", "pld"] as const) {
    const filter = new PrivacyFilter({ epsilon: 3, delta: 1e-6, accountant });
    const run: DpEvent[] = [];
    for (let day = 0; day < 365; day++) {
      const event = day % 7 === 0 ? weekly : daily;
      try {
        filter.spend(event);
        run.push(event);
      } catch (error) {
        t.match(error, { code: "BUDGET_EXCEEDED" });
      }
    }
    const total = epsilonOf({ type: "Composed", events: run }, 1e-6, accountant).epsilon;
    t.ok(Math.abs(filter.spent().epsilon / total - 1) < 1e-9, `${total} spent in ${run.length} rounds`);
    t.ok(total <= 3 && run.length < 365);
    for (const event of [daily, weekly]) {
      t.ok(
        epsilonOf({ type: "Composed", events: [...run, event] }, 1e-6, accountant).epsilon > 3,
        "no further round fits",
      );
    }
  }
});

t.test("an event the accountant does not know is refused and not counted", async (t) => {
  const filter = new PrivacyFilter({ epsilon: 2, delta: 1e-5, accountant: "rdp" });
  const unknown: DpEvent = { type: "RandomizedResponse", noiseParameter: 0.5, buckets: 2 };
  t.throws(() => filter.wouldExceed(unknown), { code: "UNSUPPORTED_EVENT" });
  t.throws(() => filter.spend(unknown), { code: "UNSUPPORTED_EVENT" });
  t.equal(filter.spent().epsilon, 0);
});

t.test("an odometer adds up and previews without counting", async (t) => {
  const odometer = new BudgetOdometer({ delta: 1e-5, accountant: "rdp" });
  t.equal(odometer.spent().epsilon, 0);
  const preview = odometer.preview(round, 3);
  t.equal(odometer.spent().epsilon, 0);
  odometer.spend(round);
  t.same(odometer.spend(round, 2), preview);
  t.same(odometer.spent(), preview);
  t.ok(odometer.spend({ type: "NonPrivate" }).epsilon === Number.POSITIVE_INFINITY);
});

t.test("a budget must make sense", async (t) => {
  for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => new PrivacyFilter({ epsilon, delta: 1e-5, accountant: "rdp" }), { code: "INVALID_PARAMETER" });
  }
  t.throws(() => new PrivacyFilter({ epsilon: 1, delta: 0, accountant: "rdp" }), { code: "DELTA_TOO_SMALL" });
});
