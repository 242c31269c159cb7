import fc from "fast-check";
import t from "tap";
import {
  type AnalyticsQuery,
  contribution,
  contributionLength,
  contributionNorm,
  parseQuery,
  queryText,
  type Row,
} from "../../src/analytics/index.js";

const base = { table: "t", minimumDevices: 1 } as const;
const x = { of: "sum", column: "x" } as const;

const queries: readonly AnalyticsQuery[] = [
  { ...base, kind: "count", where: { x: { atLeast: 0, below: 5 } } },
  { ...base, kind: "sum", value: x, lower: -3, upper: 2 },
  { ...base, kind: "mean", value: { of: "mean", column: "x" }, lower: 2, upper: 7 },
  { ...base, kind: "mean", value: { of: "rows" }, lower: 0, upper: 3, by: { column: "c", groups: ["a", "b"] } },
  { ...base, kind: "histogram", value: { of: "last", column: "x" }, edges: [-1, 0, 4] },
  { ...base, kind: "categories", column: "c", categories: ["a", "b", "z"] },
  { ...base, kind: "ratio", among: { c: "a" }, parts: { one: { c: ["b", "c"] }, two: { x: { atLeast: 1 } } } },
  { ...base, kind: "quantiles", value: { of: "maximum", column: "x" }, lower: 0, upper: 1, levels: 3, at: [0.5] },
  { ...base, kind: "scores", score: "x", label: "l", bins: 4 },
  { ...base, kind: "experiment", value: x, lower: 0, upper: 1, arm: "c", arms: ["a", "b"] },
  { ...base, kind: "votes", candidate: "c", loss: "x", candidates: ["a", "b"] },
  { ...base, kind: "heavy-hitters", column: "c", alphabet: "abc", length: 3, width: 2, prefixes: ["a", "b"] },
];

const cells = fc.oneof(fc.double(), fc.boolean(), fc.constantFrom("a", "b", "c", "abc", "", "__proto__"));
const rows: fc.Arbitrary<Row[]> = fc.array(fc.dictionary(fc.constantFrom("x", "c", "l", "__proto__"), cells), {
  maxLength: 6,
});

t.test("whatever the rows hold, a contribution is finite, of the query's length and within its norm", async () => {
  for (const query of queries) {
    fc.assert(
      fc.property(rows, (own) => {
        const out = contribution(query, own);
        const norm = Math.hypot(...out);
        return out.length === contributionLength(query) && norm <= contributionNorm(query) * (1 + 1e-6);
      }),
      { seed: 5, numRuns: 200 },
    );
  }
});

t.test("who has no rows that count adds zeros", async (t) => {
  for (const query of queries)
    t.ok(
      contribution(query, []).every((value) => value === 0),
      query.kind,
    );
});

t.test("each kind sends what it says", async (t) => {
  const person: Row[] = [
    { c: "a", x: 0.25, l: true },
    { c: "b", x: 0.5, l: false },
    { c: "b", x: 0.75, l: 1 },
  ];
  const sent = queries.map((query) => [...contribution(query, person)]);
  t.same(sent, [
    [1],
    [1.5],
    [-1, 1],
    [0, 0, 1, 1],
    [0, 1],
    [Math.fround(1 / 3), Math.fround(2 / 3), 0],
    [1, 1, 0],
    [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0],
    [0, Math.fround(1 / 3), 0, Math.fround(1 / 3), 0, 0, Math.fround(1 / 3), 0],
    [0, 0, 0, 1, 1, 1],
    [1, 0],
    [0, 0, 0, 0, 0, 0, 0, 1],
  ]);
});

t.test("a query's text reads back as the same query, and the same query has one text", async (t) => {
  for (const query of queries) {
    t.same(parseQuery(queryText(query)), query);
    const turned = JSON.stringify(Object.fromEntries(Object.entries(query).reverse()));
    t.equal(queryText(parseQuery(turned)), queryText(query));
  }
});

t.test("what is no query is refused", async (t) => {
  const count = { kind: "count", table: "t" };
  const hostile: readonly unknown[] = [
    null,
    [],
    "count",
    {},
    { kind: "every row" },
    { kind: "count" },
    { ...count, minimumDevices: 0 },
    { ...count, extra: 1 },
    { ...count, where: { "a b": 1 } },
    { ...count, where: { a: [] } },
    { ...count, where: { a: { above: 1 } } },
    { ...count, kind: "sum", value: { of: "rows" }, lower: 1, upper: 1 },
    { ...count, kind: "sum", value: { of: "median", column: "x" }, lower: 0, upper: 1 },
    { ...count, kind: "histogram", value: { of: "rows" }, edges: [1, 1] },
    { ...count, kind: "categories", column: "c", categories: ["a", "a"] },
    { ...count, kind: "quantiles", value: { of: "rows" }, lower: 0, upper: 1, at: [1] },
    { ...count, kind: "heavy-hitters", column: "c", alphabet: "aa" },
    { ...count, kind: "heavy-hitters", column: "c", alphabet: "abc", width: 64, length: 32 },
    { ...count, kind: "categories", column: "c", categories: Array.from({ length: 300 }, (_, i) => `category-${i}`) },
  ];
  for (const value of hostile) {
    t.throws(
      () => parseQuery(JSON.stringify(value)),
      { code: "INVALID_PARAMETER" },
      JSON.stringify(value).slice(0, 60),
    );
  }
  t.throws(() => parseQuery('{"kind":"count","table":"t"'), { code: "INVALID_PARAMETER" });
});
