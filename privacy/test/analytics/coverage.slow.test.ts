/**
 * Do 95 % intervals cover the truth, the same query's answer without noise, in 93 to 97 of 100 releases? Each case is 1 000
 * releases of one population, with fresh noise from seeds that are fixed. With a true coverage of 95 % a case leaves
 * 93–97 % by chance in 0.4 % of choices of seeds (normal approximation of a binomial of 1 000, ±2.9 standard deviations).
 * Quantiles may cover more, and are held to 93–99.5 %.
 */
import t from "tap";
import { type AnalyticsQuery, analyticsResult, parseQuery, type Row } from "../../src/analytics/index.js";
import { measured } from "../../src/analytics/rows.js";
import { seededRandom } from "../random/seeded.js";
import { quantisedSum, released } from "./noised.js";

const RELEASES = 1_000;
const PEOPLE = 4_000;

/** Numbers from 0 to 1 that follow one another without a pattern that any bin sees (the golden ratio's multiples). */
const spread = (i: number, step = 0.6180339887498949): number => (i * step) % 1;

const people: readonly (readonly Row[])[] = Array.from({ length: PEOPLE }, (_, i): Row[] => {
  const minutes = -12 * Math.log(1 - spread(i));
  const score = spread(i, 0.41421356237309515);
  return [
    { minutes, event: "open", arm: i % 2 === 0 ? "a" : "b", score, label: spread(i, 0.7320508075688772) < score },
    ...(spread(i, 0.23606797749978967) < 0.35 ? [{ event: "click" }] : []),
    ...(spread(i, 0.8989794855663558) < 0.5 ? [{ event: "day1" }] : []),
  ];
});

const minutes = { of: "sum", column: "minutes" } as const;
const base = { table: "t", minimumDevices: 10 } as const;

const cases: Readonly<Record<string, { readonly query: AnalyticsQuery; readonly noiseMultiplier: number }>> = {
  count: { query: { ...base, kind: "count", where: { event: "click" } }, noiseMultiplier: 10 },
  sum: { query: { ...base, kind: "sum", value: minutes, lower: 0, upper: 60 }, noiseMultiplier: 10 },
  mean: { query: { ...base, kind: "mean", value: minutes, lower: 0, upper: 60 }, noiseMultiplier: 20 },
  "mean by group": {
    query: {
      ...base,
      kind: "mean",
      value: minutes,
      lower: 0,
      upper: 60,
      by: { column: "arm", groups: ["a", "b"] },
      where: { event: "open" },
    },
    noiseMultiplier: 20,
  },
  histogram: { query: { ...base, kind: "histogram", value: minutes, edges: [0, 5, 10, 20, 100] }, noiseMultiplier: 10 },
  categories: {
    query: { ...base, kind: "categories", column: "event", categories: ["open", "click", "day1"] },
    noiseMultiplier: 10,
  },
  "ratio (conversion, retention)": {
    query: {
      ...base,
      kind: "ratio",
      among: { event: "open" },
      parts: { conversion: { event: "click" }, day1: { event: "day1" } },
    },
    noiseMultiplier: 15,
  },
  quantiles: {
    query: { ...base, kind: "quantiles", value: minutes, lower: 0, upper: 64, levels: 6, at: [0.25, 0.5, 0.9] },
    noiseMultiplier: 10,
  },
  scores: {
    query: { ...base, kind: "scores", score: "score", label: "label", bins: 32, where: { event: "open" } },
    noiseMultiplier: 4,
  },
  experiment: {
    query: {
      ...base,
      kind: "experiment",
      value: minutes,
      lower: 0,
      upper: 60,
      arm: "arm",
      arms: ["a", "b"],
      where: { event: "open" },
    },
    noiseMultiplier: 15,
  },
};

/** Quantiles of the people's own numbers: the tree's leaves are no part of the truth. */
function truthOf(query: AnalyticsQuery): readonly (number | undefined)[] | undefined {
  if (query.kind !== "quantiles") return undefined;
  const ordered = people.map((rows) => measured(rows, query.value) ?? Number.NaN).sort((a, b) => a - b);
  return query.at.map((quantile) => ordered[Math.ceil(quantile * ordered.length) - 1]);
}

for (const [name, { query, noiseMultiplier }] of Object.entries(cases)) {
  t.test(`intervals of ${name} cover in 93 to 97 of 100 releases`, async (t) => {
    t.same(parseQuery(JSON.stringify(query)), query);
    const sum = quantisedSum(query, people, seededRandom(1));
    const exact = analyticsResult(query, { ...released(query, sum, PEOPLE, 1e-9, seededRandom(2)), noiseVariance: 0 });
    const truths = truthOf(query) ?? exact.estimates.map((one) => one.estimate?.value);
    const covered = new Map<string, number>();
    for (let seed = 0; seed < RELEASES; seed++) {
      const { estimates } = analyticsResult(
        query,
        released(query, sum, PEOPLE, noiseMultiplier, seededRandom(1_000 + seed)),
      );
      estimates.forEach(({ name, estimate }, at) => {
        const truth = truths[at] ?? Number.NaN;
        const [low, high] = estimate?.interval ?? [Number.NaN, Number.NaN];
        covered.set(name, (covered.get(name) ?? 0) + (low <= truth && truth <= high ? 1 : 0));
      });
    }
    for (const [what, count] of covered) {
      // A quantile's interval joins all numbers that the noise does not exclude, so it may cover more.
      t.ok(count >= 930 && count <= (query.kind === "quantiles" ? 995 : 970), `${what}: ${count} of ${RELEASES}`);
    }
  });
}
