import type { Row } from "@fedloop/privacy/analytics";
import t from "tap";
import { releaseJournal } from "../../src/analytics/journal.js";
import { answeredQueries, replays } from "../../src/analytics/results.js";
import { Federation } from "../server/federation.js";
import { answer, asking, askingExactly } from "./asking.js";

const PEOPLE = 6;

/** Person i has i+1 sessions of 10 minutes, and saw arm "a" or "b". */
const tables = Array.from({ length: PEOPLE }, (_, i) => ({
  sessions: Array.from({ length: i + 1 }, (): Row => ({ minutes: 10 })),
  answers: [{ arm: i % 2 === 0 ? "a" : "b", right: i >= 3 }] satisfies Row[],
  words: [{ word: i < 4 ? "yes" : "no" }] satisfies Row[],
  scored: [{ score: (i + 0.5) / PEOPLE, label: i >= 3 }] satisfies Row[],
  tuning: [
    { name: "slow", error: 0.4 },
    { name: "fast", error: i === 0 ? 0.5 : 0.2 },
  ] satisfies Row[],
}));

t.test(
  "each query is a round: planned in the log with its cost, asked, summed under masks, released and audited",
  async (t) => {
    const queries = [
      {
        name: "active",
        ask: { kind: "count", table: "sessions", where: { minutes: { atLeast: 5 } }, minimumDevices: 1 },
      },
      {
        name: "minutes",
        ask: {
          kind: "histogram",
          table: "sessions",
          value: { of: "sum", column: "minutes" },
          edges: [0, 25, 45, 200],
          minimumDevices: 1,
        },
        times: 2,
        weight: 4,
      },
      {
        name: "mean-minutes",
        ask: {
          kind: "mean",
          table: "sessions",
          value: { of: "sum", column: "minutes" },
          lower: 0,
          upper: 64,
          minimumDevices: 1,
        },
      },
    ];
    const federation = await Federation.open(t, { plan: asking(PEOPLE, queries) });
    const participants = await answer(federation, tables);
    const plans = await federation.entries("round.plan");
    t.same(
      plans.map(({ body }) => [body.trainer.settings.name, body.trainer.settings.turn, body.kind]),
      [
        ["active", 1, "evaluate"],
        ["minutes", 1, "evaluate"],
        ["mean-minutes", 1, "evaluate"],
        ["minutes", 2, "evaluate"],
      ],
    );
    const noise = plans.map(({ body }) => Number(body.privacy.noiseMultiplier));
    t.ok(Math.abs((noise[0] ?? 0) / (noise[1] ?? 1) - 2) < 1e-9, "weight 4 halves the noise");
    t.equal(Math.round(Number(plans[2]?.body.privacy.clipNorm) ** 2), 2, "a mean is clipped to what its query makes");
    const releases = await federation.entries("analytics.release");
    t.equal(new Set(releases.map(({ body }) => body.query)).size, 4, "each release names its whole question by hash");
    const report = await federation.audit();
    t.same(report.findings, []);
    const [population] = report.populations;
    t.ok(
      population !== undefined && population.epsilon > 7.5 && population.epsilon <= 8,
      `ε is ${population?.epsilon}`,
    );
    for (const participant of participants) t.ok((await participant.budget()).epsilon <= 8, "devices count the same");

    const answered = await answeredQueries(federation.coordinator);
    t.equal(answered.length, 4);
    for (const one of answered) {
      t.ok(replays(one), "the journal's sum gives the number that was kept");
      t.ok(one.result.noiseVariance > 0);
      t.equal(one.result.members, PEOPLE);
      const altered = {
        ...one,
        kept: { ...one.kept, ...Object.fromEntries(Object.keys(one.kept).map((name) => [name, 1])) },
      };
      if (Object.keys(one.kept).length > 0) t.notOk(replays(altered), "another number does not");
    }

    await participants[0]?.erase();
    const afterwards = await answeredQueries(federation.coordinator);
    const resultOf = ({ result }: (typeof answered)[number]) => result;
    t.same(afterwards.map(resultOf), answered.map(resultOf), "who is erased later stays in the sum, with its noise");
    const journal = await releaseJournal(federation.coordinator);
    t.same(
      journal.flatMap(({ differing }) => differing),
      [],
    );
    t.same(federation.faults, []);
  },
);

t.test("without noise the sums are those of the rows, and small cells are withheld", async (t) => {
  const queries = [
    {
      name: "minutes",
      ask: {
        kind: "histogram",
        table: "sessions",
        value: { of: "sum", column: "minutes" },
        edges: [0, 25, 35, 200],
        minimumDevices: 3,
      },
    },
    {
      name: "test",
      ask: {
        kind: "experiment",
        table: "answers",
        arm: "arm",
        arms: ["a", "b"],
        value: { of: "sum", column: "right" },
        lower: 0,
        upper: 1,
        minimumDevices: 2,
      },
    },
    {
      name: "by-arm",
      ask: { kind: "categories", table: "answers", column: "arm", categories: ["a", "b", "c"], minimumDevices: 1 },
    },
  ];
  const minutesOf = {
    table: "sessions",
    value: { of: "sum", column: "minutes" },
    lower: 0,
    upper: 64,
    minimumDevices: 1,
  };
  const right = { table: "answers", minimumDevices: 1 };
  const others = {
    sum: { ...minutesOf, kind: "sum" },
    quantiles: { ...minutesOf, kind: "quantiles", levels: 3, at: [0.5] },
    "mean-by": {
      ...{ ...right, kind: "mean", value: { of: "sum", column: "right" }, lower: 0, upper: 1 },
      by: { column: "arm", groups: ["a", "b"] },
    },
    ratio: { ...right, kind: "ratio", among: { right: true }, parts: { a: { arm: "a" } } },
    scores: { kind: "scores", table: "scored", score: "score", label: "label", bins: 4, minimumDevices: 1 },
    votes: {
      ...{ kind: "votes", table: "tuning", candidate: "name", loss: "error", candidates: ["slow", "fast"] },
      minimumDevices: 1,
    },
  };
  const asked = [...queries, ...Object.entries(others).map(([name, ask]) => structuredClone({ name, ask }))];
  const federation = await Federation.open(t, { plan: askingExactly(PEOPLE, asked) });
  await answer(federation, tables);
  const [minutes, test, byArm, ...rest] = await answeredQueries(federation.coordinator, "lecturers");
  const values = rest.map(({ name, result }) => [
    name,
    ...result.estimates.map(({ name, estimate }) => [name, Math.round((estimate?.value ?? Number.NaN) * 1e4) / 1e4]),
  ]);
  t.same(values, [
    ["sum", ["sum", 210]],
    // Half of the people are below 32, and nobody is from there to 40.
    ["quantiles", ["q0.5", 36]],
    ["mean-by", ["a", 0.3333], ["b", 0.6667]],
    ["ratio", ["a", 0.3333]],
    ["scores", ["auc", 1], ["averagePrecision", 1], ["calibrationGap", -0.0417]],
    ["votes", ["slow", 1], ["fast", 5]],
  ]);
  t.same(federation.faults, []);
  t.same(
    minutes?.result.estimates.map(({ name, estimate }) => [name, estimate?.value]),
    [
      ["0–25", undefined],
      ["25–35", undefined],
      ["35–200", 3],
    ],
    "2, 1 and 3 people: cells of fewer than 3 are withheld",
  );
  t.same(
    test?.result.arms?.map(({ sums }) => sums[0]),
    [3, 3],
  );
  t.same(test?.kept, { "a.devices": 3, "a.mean": 0.5 - 0.5 / 3, "b.devices": 3, "b.mean": 0.5 + 0.5 / 3 });
  t.same(byArm?.kept, { a: 3, b: 3 });
});

t.test(
  "heavy hitters are found letter by letter, each round's question following from the release before",
  async (t) => {
    const ask = {
      kind: "heavy-hitters",
      table: "words",
      column: "word",
      alphabet: "enosy",
      length: 4,
      width: 4,
      minimumDevices: 2,
    };
    const federation = await Federation.open(t, { plan: askingExactly(PEOPLE, [{ name: "words", ask }]) });
    await answer(federation, tables);
    const answered = await answeredQueries(federation.coordinator);
    t.same(
      answered.map(({ query }) => ("prefixes" in query ? query.prefixes : undefined)),
      [undefined, ["y", "n"], ["ye", "no"], ["yes"]],
    );
    t.same(
      answered.flatMap(({ result }) => result.estimates.map(({ name, estimate }) => [name, estimate?.value])),
      [
        ["no", 2],
        ["yes", 4],
      ],
    );
    const plans = await federation.entries("round.plan");
    t.equal(new Set(plans.map(({ body }) => body.update.length)).size, 1, "all steps are of one shape and cost");
    t.ok((await federation.audit()).ok);
  },
);
