// Robust rules on numbers worked by hand, and the families of strategies as the type system sees them.
import fc from "fast-check";
import t from "tap";
import { STRATEGY_IDS, strategyFor, sumStrategyFor } from "../../src/strategies/registry.js";
import { coordinateMedian, groupMedian } from "../../src/strategies/robust/coordinate-rules.js";
import { krumScores } from "../../src/strategies/robust/krum.js";
import type {
  GroupSumStrategy,
  PerUpdateStrategy,
  StrategySettings,
  SumStrategy,
} from "../../src/strategies/strategy.js";

function combining(id: string, settings: StrategySettings = {}): PerUpdateStrategy | GroupSumStrategy {
  const strategy = strategyFor({ id, settings });
  if (strategy.family !== "sum") return strategy;
  throw new Error(`expected a strategy that combines vectors, ${id} sees a sum`);
}

async function combined(id: string, rows: readonly (readonly number[])[], settings: StrategySettings = {}) {
  return [...(await combining(id, settings).combine(rows.map((row) => Float32Array.from(row))))];
}

/** Four that agree roughly, and one that does not. */
const ROWS = [
  [1, 10],
  [2, 20],
  [3, 40],
  [4, 30],
  [100, -1000],
];

t.test("the coordinate median (Yin et al. 2018, definition 1) takes each coordinate's middle", async (t) => {
  t.same(await combined("coordinate-median", ROWS), [3, 20]);
  t.same(await combined("coordinate-median", ROWS.slice(0, 4)), [2.5, 25]);
  t.same(await combined("group-median", ROWS), [3, 20]);
});

t.test("the trimmed mean (Yin et al. 2018, definition 2) leaves ⌈βn⌉ out at each end", async (t) => {
  t.same(await combined("trimmed-mean", ROWS, { trimFraction: 0.2 }), [3, 20]);
  t.same(await combined("trimmed-mean", ROWS.slice(0, 4), { trimFraction: 0 }), [2.5, 25]);
  t.same(await combined("group-trimmed-mean", ROWS, { trimFraction: 0.4 }), [3, 20], "⌈0.4·5⌉ = 2 leave the median");
  t.same(await combined("trimmed-mean", ROWS.slice(0, 4), { trimFraction: 0.49 }), [2.5, 25], "never all of them");
});

t.test("Krum's scores (Blanchard et al. 2017) are sums over the n − f − 2 nearest", async (t) => {
  // On a line at 0, 1, 3, 4 and 100 with f = 1: 2 nearest each. 0: 1 + 9. 1: 1 + 4. 3: 1 + 4. 4: 1 + 9. 100: 96² + 97².
  const line = [0, 1, 3, 4, 100].map((at) => Float32Array.of(at));
  t.same([...(await krumScores(line, 1))], [10, 5, 5, 10, 96 ** 2 + 97 ** 2]);
  const rows = [[0], [1], [3], [4], [100]];
  t.same(await combined("krum", rows, { poisonedFraction: 0.2 }), [1], "the first of two that are as near");
  t.same(await combined("multi-krum", rows, { poisonedFraction: 0.2 }), [2], "the mean of the n − f = 4 best");
});

t.test("Krum wants more than 2f + 2 updates", async (t) => {
  t.equal(combining("krum", { poisonedFraction: 0.2 }).minimumVectors, 5, "f = 1 of 5: 4 < 5");
  t.equal(combining("multi-krum", { poisonedFraction: 0 }).minimumVectors, 3);
  t.equal(combining("krum", { poisonedFraction: 0.4 }).minimumVectors, 15, "f = 6 of 15: 14 < 15");
});

t.test("norm bounding (Sun et al. 2019) shortens what is longer, and nothing else", async (t) => {
  const rows = [
    [3, 4],
    [0, 1],
    [-30, -40],
  ];
  // Norms 5, 1 and 50; with M = 5 the last becomes (−3, −4).
  const bounded = await combined("norm-bounding", rows, { bound: 5 });
  t.ok(Math.abs((bounded[0] ?? 1) - 0) < 1e-6 && Math.abs((bounded[1] ?? 0) - 1 / 3) < 1e-6, String(bounded));
  t.same(await combined("norm-bounding", rows), bounded, "without a bound, the median of the norms: 5 too");
});

t.test("no rule depends on the order of updates, and with all the same each is that one", async () => {
  const vectors = fc.array(fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 3, maxLength: 3 }), {
    minLength: 7,
    maxLength: 12,
  });
  const rules = ["coordinate-median", "trimmed-mean", "multi-krum", "norm-bounding"];
  await fc.assert(
    fc.asyncProperty(vectors, fc.constantFrom(...rules), async (rows, id) => {
      const forward = await combined(id, rows);
      const same = await combined(
        id,
        rows.map(() => [1, -2, 3]),
      );
      if (same.some((value, i) => Math.abs(value - ([1, -2, 3][i] ?? 0)) > 1e-5)) return false;
      // Updates that are as near to the others as each other are taken in the order in which they came.
      if (id === "multi-krum") return true;
      const backward = await combined(id, [...rows].reverse());
      return forward.every((value, i) => Math.abs(value - (backward[i] ?? 0)) < 1e-4);
    }),
    { seed: 7, numRuns: 60 },
  );
});

t.test("every strategy is of the family that its name stands under", async (t) => {
  for (const [family, ids] of Object.entries(STRATEGY_IDS)) {
    for (const id of ids) {
      const settings: StrategySettings = id === "scaffold" ? { devices: 10 } : {};
      t.equal(strategyFor({ id, settings }).family, family, id);
    }
  }
  t.throws(() => sumStrategyFor({ id: "krum", settings: {} }), { code: "BAD_PLAN" });
});

t.test("the type system keeps the families apart", async (t) => {
  // @ts-expect-error what looks at each update is no strategy for a sum
  const sum: SumStrategy = coordinateMedian({});
  // @ts-expect-error what wants the groups' sums does not get single updates
  const perUpdate: PerUpdateStrategy = groupMedian({});
  // @ts-expect-error a sum has nothing to combine
  const grouped: GroupSumStrategy = sumStrategyFor({ id: "fedavg", settings: {} });
  t.same([sum.family, perUpdate.family, grouped.family], ["per-update", "group-sum", "sum"]);
});
