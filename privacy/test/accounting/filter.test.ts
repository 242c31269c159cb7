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
