/** Hyper-parameters chosen by votes of devices, and fairness between segments, on seeded people. */
import t from "tap";
import { gaussianNoiseMultiplier } from "../../src/accounting/gaussian.js";
import {
  type AnalyticsQuery,
  analyticsResult,
  contribution,
  contributionLength,
  type Row,
} from "../../src/analytics/index.js";
import { chance } from "../experiments/chance.js";

function summed(query: AnalyticsQuery, people: readonly (readonly Row[])[]): Float64Array {
  const sums = new Float64Array(contributionLength(query));
  for (const rows of people) {
    contribution(query, rows).forEach((value, i) => {
      sums[i] = (sums[i] ?? 0) + value;
    });
  }
  return sums;
}

t.test("the configuration that wins the votes is within one point of the best, at ε = 1", async (t) => {
  const accuracies = { "lr 0.01": 0.7, "lr 0.03": 0.74, "lr 0.1": 0.781, "lr 0.3": 0.786, "lr 1": 0.74, "lr 3": 0.62 };
  const candidates = Object.keys(accuracies);
  const query = {
    kind: "votes",
    table: "tuning",
    candidate: "name",
    loss: "error",
    candidates,
    minimumDevices: 5,
  } as const;
  const noise = gaussianNoiseMultiplier(1, 1e-6);
  const runs = 60;
  let near = 0;
  for (let seed = 0; seed < runs; seed++) {
    const draws = chance(600 + seed);
    const people = Array.from({ length: 400 }, () => {
      // Each device has 20 examples to judge by, and people of its own kind: what is best for it varies.
      const own = 0.05 * draws.normal();
      return Object.entries(accuracies).map(([name, accuracy]): Row => {
        const rate = Math.min(Math.max(accuracy + own + 0.02 * draws.normal(), 0), 1);
        return { name, error: 1 - draws.binomial(20, rate) / 20 };
      });
    });
    const sums = summed(query, people).map((votes) => votes + noise * draws.normal());
    const { estimates } = analyticsResult(query, { sums, noiseVariance: noise ** 2, members: 400 });
    const ranked = estimates.toSorted((a, b) => (b.estimate?.value ?? 0) - (a.estimate?.value ?? 0));
    const chosen = Object.entries(accuracies).find(([name]) => name === ranked[0]?.name)?.[1] ?? 0;
    near += Math.max(...Object.values(accuracies)) - chosen <= 0.01 ? 1 : 0;
  }
  // A choice that misses in 1 of 100 runs misses in more than 3 of 60 with probability 0.3 %.
  t.ok(near >= runs - 3, `${near} of ${runs} choices are within one point`);
});

t.test("segments are compared only where enough devices are, and a gap between them is seen", async (t) => {
  const groups = ["north", "south", "island"];
  const query = {
    kind: "mean",
    table: "quality",
    value: { of: "mean", column: "right" },
    lower: 0,
    upper: 1,
    by: { column: "segment", groups },
    minimumDevices: 20,
  } as const;
  const people = Array.from({ length: 400 }, (_, i): Row[] => {
    const segment = i < 8 ? "island" : i % 2 === 0 ? "north" : "south";
    return [{ segment, right: segment === "south" ? 0.6 : 0.8 }];
  });
  const draws = chance(9);
  const sums = summed(query, people).map((sum) => sum + 3 * draws.normal());
  const { estimates } = analyticsResult(query, { sums, noiseVariance: 9, members: 400 });
  t.equal(estimates[2]?.estimate, null, "8 devices are not told of");
  const [north, south] = estimates.map(({ estimate }) => estimate?.interval ?? [0, 0]);
  t.ok((south?.[1] ?? 1) < (north?.[0] ?? 0), `${south} is below ${north}`);
});
