import t from "tap";
import { type PopulationReport, reportHtml, verifyBundle } from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { ticks } from "../../src/report/chart.js";
import { population } from "../author.js";
import { bundleOf, completeLog } from "../complete-log.js";

const settings = { bundle: "demo.fedloop", time: Date.UTC(2026, 0, 2) };

t.test("the page shows verdict, budget and consents, and loads nothing", async (t) => {
  const report = await verifyBundle([await bundleOf(await completeLog())], { verifier: nodeVerifier() });
  const page = reportHtml(report, settings);
  t.match(page, "Everything holds");
  t.match(page, `Privacy budget: ${population}`);
  t.equal(page.match(/<svg /g)?.length, 2);
  t.match(page, "2026-01-02 00:00:00 UTC");
  t.notMatch(page, /<script|src=|href=|url\(|@import|https?:/);
  t.notMatch(page, /NaN|undefined|Infinity/);
  t.equal(reportHtml(report, settings), page, "the same report gives the same page");
});

t.test("findings stand first, with their meaning", async (t) => {
  const bytes = await bundleOf(await completeLog());
  bytes[3_000] = (bytes[3_000] ?? 0) ^ 1;
  const page = reportHtml(await verifyBundle([bytes], { verifier: nodeVerifier() }), settings);
  t.match(page, "not hold");
  t.ok(page.indexOf("Findings") < page.indexOf("The log"));
});

t.test("what a hostile bundle holds is text on the page, not markup", async (t) => {
  const hostile = Buffer.from('{"<script>alert(1)</script>":1}\n');
  const report = await verifyBundle([hostile], { verifier: nodeVerifier() });
  const page = reportHtml({ ...report, log: '"><script>alert(2)</script>' }, { ...settings, bundle: "<img src=x>" });
  t.notMatch(page, "<script");
  t.notMatch(page, "<img");
});

t.test("budgets without bound and without rounds are drawn", async (t) => {
  const report = await verifyBundle([], { verifier: nodeVerifier() });
  const base: PopulationReport = {
    population,
    unit: "participant",
    adjacency: "add-or-remove-one",
    epsilon: Number.POSITIVE_INFINITY,
    delta: 1e-5,
    accountant: "rdp",
    cap: Number.POSITIVE_INFINITY,
    rounds: 1,
    participants: 0,
    recomputed: { population: { rdp: Number.POSITIVE_INFINITY, pld: null }, participant: { rdp: 0, pld: 0 } },
    event: { type: "NonPrivate" },
    history: [],
    participantHistory: [],
  };
  const step = {
    round: 1,
    kind: "train",
    index: 5,
    time: 0,
    epsilon: Number.POSITIVE_INFINITY,
    claimed: Number.POSITIVE_INFINITY,
  } as const;
  for (const history of [[], [step]]) {
    const page = reportHtml({ ...report, populations: [{ ...base, history }] }, settings);
    t.notMatch(page, /NaN|Infinity/);
    t.match(page, "unbounded");
  }
});

t.test("ticks are round numbers that cover the range", async (t) => {
  t.strictSame(ticks(0, 4.2), [0, 1, 2, 3, 4]);
  t.strictSame(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  t.strictSame(ticks(1, 1), [1]);
  for (const [low, high] of [
    [0, 0.003],
    [1, 7],
    [0, 123_456],
    [3, 17],
  ] as const) {
    const values = ticks(low, high);
    t.ok(values.length >= 3 && values.length <= 8, values.join());
    t.ok(values.every((value) => value >= low && value <= high));
  }
});
