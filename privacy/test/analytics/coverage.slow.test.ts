/**
 * Do 95 % intervals cover the truth, the same query's answer without noise, in 93 to 97 of 100 releases? Each case is 1 000
 * releases of 20 populations, with fresh noise from seeds that are fixed. With a true coverage of 95 % a case leaves
 * 93–97 % by chance in 0.4 % of choices of seeds (normal approximation of a binomial of 1 000, ±2.9 standard deviations).
 * Of the curves' 47 numbers one leaves it in 17 % of them.
 */
import t from "tap";
import {
  type AnalyticsQuery,
  type AnalyticsResult,
  analyticsResult,
  type NamedEstimate,
  parseQuery,
  type Row,
} from "../../src/analytics/index.js";
import { measured } from "../../src/analytics/rows.js";
import { chance } from "../experiments/chance.js";
import { seededRandom } from "../random/seeded.js";
import { quantisedSum, released } from "./noised.js";

const RELEASES = 1_000;
const PEOPLE = 4_000;
const POPULATIONS = 20;

function population(seed: number): readonly (readonly Row[])[] {
  const { uniform } = chance(seed);
  return Array.from({ length: PEOPLE }, (_, i): Row[] => {
    const score = uniform();
    const own = { minutes: -12 * Math.log(uniform()), score, label: uniform() < score };
    return [
      { ...own, event: "open", arm: i % 2 === 0 ? "a" : "b" },
      ...(uniform() < 0.35 ? [{ event: "click" }] : []),
      ...(uniform() < 0.5 ? [{ event: "day1" }] : []),
    ];
  });
}

const populations = Array.from({ length: POPULATIONS }, (_, at) => population(500 + at));

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
  "quantiles of leaves that hold fewer people than the noise counts": {
    query: { ...base, kind: "quantiles", value: minutes, lower: 0, upper: 64, levels: 8, at: [0.25, 0.5, 0.9] },
    noiseMultiplier: 10,
  },
  "quantiles of leaves that hold many more": {
    query: { ...base, kind: "quantiles", value: minutes, lower: 0, upper: 64, levels: 4, at: [0.5, 0.9] },
    noiseMultiplier: 10,
  },
  scores: {
    query: { ...base, kind: "scores", score: "score", label: "label", bins: 16, where: { event: "open" } },
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

/**
 * What the people's own numbers say, where a query puts them into bins: the bins are no part of the truth. Undefined where
 * the query's answer without noise is the truth.
 */
function truthOf(query: AnalyticsQuery, people: readonly (readonly Row[])[], name: string): number | undefined {
  if (query.kind === "quantiles") {
    const ordered = people.map((rows) => measured(rows, query.value) ?? Number.NaN).sort((a, b) => a - b);
    return ordered[Math.ceil(Number(name.slice(1)) * ordered.length) - 1];
  }
  return query.kind === "scores" && name === "auc" ? rankedAuc(people.flatMap((rows) => rows.slice(0, 1))) : undefined;
}

/** Share of the pairs of a true and a false row in which the true one scores higher. */
function rankedAuc(rows: readonly Row[]): number {
  let falseBelow = 0;
  let wins = 0;
  for (const { label } of rows.toSorted((a, b) => Number(a.score) - Number(b.score))) {
    if (label === true) wins += falseBelow;
    else falseBelow += 1;
  }
  return wins / (falseBelow * (rows.length - falseBelow));
}

/** All that a result tells with an interval: its numbers, and those of its curve. */
function told({ estimates, curve = [] }: AnalyticsResult): NamedEstimate[] {
  const points = curve.flatMap(({ threshold, precision, recall, calibration }) =>
    Object.entries({ precision, recall, calibration }).map(([name, estimate]) => ({
      name: `${name} at ${threshold}`,
      estimate,
    })),
  );
  // All rows are at or above the threshold 0.
  return [...estimates, ...points.filter(({ name }) => name !== "recall at 0")];
}

for (const [name, { query, noiseMultiplier }] of Object.entries(cases)) {
  t.test(`intervals of ${name} cover in 93 to 97 of 100 releases`, async (t) => {
    t.same(parseQuery(JSON.stringify(query)), query);
    const covered = new Map<string, number>();
    // Only where bins hide something do other people make another case.
    const own = query.kind === "quantiles" || query.kind === "scores" ? populations : populations.slice(0, 1);
    own.forEach((people, at) => {
      const sum = quantisedSum(query, people, seededRandom(at));
      const exact = released(query, sum, PEOPLE, 1e-9, seededRandom(2));
      const truths = told(analyticsResult(query, { ...exact, noiseVariance: 0 })).map(
        ({ name, estimate }) => truthOf(query, people, name) ?? estimate?.value ?? Number.NaN,
      );
      for (let seed = at; seed < RELEASES; seed += own.length) {
        const random = seededRandom(1_000 + seed);
        told(analyticsResult(query, released(query, sum, PEOPLE, noiseMultiplier, random))).forEach(
          ({ name, estimate }, i) => {
            const [low, high] = estimate?.interval ?? [Number.NaN, Number.NaN];
            const truth = truths[i] ?? Number.NaN;
            covered.set(name, (covered.get(name) ?? 0) + (low <= truth && truth <= high ? 1 : 0));
          },
        );
      }
    });
    t.comment([...covered].map(([what, count]) => `${what} ${count}`).join(", "));
    for (const [what, count] of covered) t.ok(count >= 930 && count <= 970, `${what}: ${count} of ${RELEASES}`);
  });
}
