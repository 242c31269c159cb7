import t from "tap";
import {
  type AnalyticsQuery,
  analyticsResult,
  contribution,
  contributionLength,
  countTree,
  type Row,
  ratioEstimate,
  trieStep,
} from "../../src/analytics/index.js";

const base = { table: "t", minimumDevices: 1 } as const;

function exactly(query: AnalyticsQuery, people: readonly (readonly Row[])[], noiseVariance = 0) {
  const sums = new Float64Array(contributionLength(query));
  for (const rows of people) {
    contribution(query, rows).forEach((value, i) => {
      sums[i] = (sums[i] ?? 0) + value;
    });
  }
  return analyticsResult(query, { sums, noiseVariance, members: people.length });
}

const values = (result: ReturnType<typeof exactly>) => result.estimates.map(({ estimate }) => estimate?.value);

t.test("a tree's counts are those of least squares over all its nodes", async (t) => {
  // Two levels: nodes [L, R, a, b, c, d]; normal equations solved by hand for a + b with L = 10, a + b = 4.
  const tree = countTree([10, 0, 3, 1, 0, 0], 2, 9);
  // min (s − 10)² + (a − 3)² + (b − 1)², s = a + b: s = 4 + 2·(10 − 4)/3 = 8
  t.ok(Math.abs(tree.prefix(2) - 8) < 1e-12);
  t.ok(Math.abs(tree.prefix(1) - 5) < 1e-12);
  // Var(a + b) = σ²·2/3 by the same weights; of a: σ²·(1 − 1/3).
  t.ok(Math.abs(tree.variance(2, 0) - 6) < 1e-12);
  t.ok(Math.abs(tree.variance(1, 0) - 6) < 1e-12);
  t.ok(Math.abs(tree.variance(4, 1)) < 1e-12, "a total less itself has no noise");
  // Over the second leaf the prefix rises from 5 to 8, over the third it stays: means 6.5 and 8, of which each is half.
  t.ok(Math.abs(tree.smoothed(2, 1) - 7.25) < 1e-12);
  // Weights 1, ¾, ¼, 0; by Haar: (2·1)²… = 2²/4/3 + 1.5²/4/3 + (¼)²/2 + (¼)²/2.
  t.ok(Math.abs(tree.variance(2, 0, 1) - 9 * (4 / 12 + 2.25 / 12 + 1 / 16)) < 1e-12);
});

t.test("a ratio without noise is exact, and one whose denominator is lost in noise has no interval", async (t) => {
  t.same(ratioEstimate(3, 4, 0, 0), { value: 0.75, noiseVariance: 0, interval: [0.75, 0.75] });
  t.equal(ratioEstimate(3, 4, 9, 9), null);
  const { interval } = ratioEstimate(30, 100, 4, 4) ?? { interval: [0, 0] };
  // Fieller's ends solve (30 − 100θ)² = z²·4·(1 + θ²).
  for (const end of interval) {
    const z = Math.abs(30 - 100 * end) / Math.sqrt(4 * (1 + end * end));
    t.ok(Math.abs(z - 1.959963984540054) < 1e-9);
  }
});

t.test("means, quantiles and score quality are those of the rows", async (t) => {
  const people = Array.from({ length: 64 }, (_, i): Row[] => [
    { x: i + 0.5, s: (i + 0.5) / 64, l: i % 4 !== 0, g: i < 32 ? "a" : "b" },
  ]);
  const x = { of: "sum", column: "x" } as const;
  t.same(values(exactly({ ...base, kind: "mean", value: x, lower: 0, upper: 64 }, people)), [32]);
  t.same(
    values(
      exactly(
        { ...base, kind: "mean", value: x, lower: 0, upper: 64, by: { column: "g", groups: ["a", "b", "c"] } },
        people,
      ),
    ),
    [16, 48, undefined],
  );
  const quarters = { ...base, kind: "quantiles", value: x, lower: 0, upper: 64, levels: 6, at: [0.25, 0.5] } as const;
  t.same(
    values(exactly(quarters, people)).map((value) => Number((value ?? Number.NaN).toFixed(9))),
    [16, 32],
  );
  // By hand: 48 true, 16 false at 0, 4, 8 …; true rows above the j-th false one: 48 − 3j.
  const scores = exactly({ ...base, kind: "scores", score: "s", label: "l", bins: 64 }, people);
  const wins = Array.from({ length: 16 }, (_, j) => 48 - 3 * j).reduce((sum, count) => sum + count, 0);
  // No more than that: true rows beside the false one that is last but one bend its bin by a 24th of a pair.
  t.ok(Math.abs((scores.estimates[0]?.estimate?.value ?? 0) - wins / (48 * 16)) < 1 / (20 * 48 * 16));
  const gap = people.reduce((sum, [row]) => sum + Number(row?.l) - Number(row?.s), 0) / 64;
  t.ok(Math.abs((scores.estimates[2]?.estimate?.value ?? 0) - gap) < 1e-12);
  const top = scores.curve?.at(-4);
  t.same([top?.threshold, top?.precision?.value, top?.recall?.value], [60 / 64, 3 / 4, 3 / 48]);
});

t.test("cells below the floor by their noised count are withheld, whatever the count was", async (t) => {
  const query = { ...base, kind: "categories", column: "c", categories: ["a", "b"], minimumDevices: 5 } as const;
  const { estimates } = analyticsResult(query, { sums: [4.9, 5.1], noiseVariance: 4, members: 12 });
  t.equal(estimates[0]?.estimate, null);
  t.equal(estimates[1]?.estimate?.noiseVariance, 4);
  t.throws(() => analyticsResult(query, { sums: [1], noiseVariance: 1, members: 1 }), { code: "WRONG_LENGTH" });
});

t.test("a trie follows no branch that noise alone could have made, and no more than its width", async (t) => {
  const query = {
    ...base,
    kind: "heavy-hitters",
    column: "c",
    alphabet: "ab",
    length: 2,
    width: 2,
    prefixes: ["a", "b"],
    minimumDevices: 3,
  } as const;
  t.same(trieStep(query, [9, 2, 4, 7, 8, 0], 1).prefixes, []);
  t.same(
    trieStep(query, [9, 2, 4, 7, 8, 0], 1).words.map(({ word }) => word),
    ["a", "aa", "bb"],
  );
  t.same(trieStep(query, [9, 2, 4, 7, 8, 0], 100).words, [], "noise of 10 devices reaches every one of these counts");
});
