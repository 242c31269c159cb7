import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import {
  type CapturedEvent,
  type Feature,
  featureVector,
  frequency,
  hashed,
  looked,
  meanOf,
  openTable,
  recency,
  seededNumbers,
  sessions,
  timeOfDay,
  writeTable,
} from "../../src/index.js";
import { START_MS } from "../manual-clock.js";

const DAY_MS = 86_400_000;
const table = writeTable({
  name: "skills",
  columns: ["difficulty", "length"],
  rows: { fractions: ["0.25", "12"], sums: ["-0.5", "4"] },
});
const skills = openTable(table.bytes, table.digest);
const FEATURES: readonly Feature[] = [
  recency(),
  recency("answer"),
  frequency(7),
  frequency(1, "answer"),
  sessions(),
  timeOfDay(),
  meanOf("answer", "correct"),
  hashed("answer", "skill", 8),
  looked("answer", "skill", skills),
];
const moment = { nowMs: START_MS, utcOffsetMinutes: 60, seed: 5 };

/** A person's half year. */
function log(seed: string, events = 500): CapturedEvent[] {
  const random = seededNumbers(seed);
  const names = ["fractions", "sums", "roots"];
  return Array.from({ length: events }, (_, sequence) => ({
    sequence,
    atMs: START_MS - 180 * DAY_MS + Math.floor((sequence / events) * 180 * DAY_MS),
    type: random.uniform() < 0.7 ? "answer" : "view",
    fields: { skill: names[random.below(3)] ?? "", correct: random.uniform() < 0.6 },
  }));
}

function digest(values: Float64Array): string {
  return createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
}

t.test("the same log and seed give the same bytes, in whatever order the events come", async (t) => {
  const events = log("a");
  const { names, values } = featureVector(FEATURES, events, moment);
  t.equal(names.length, values.length);
  t.equal(digest(featureVector(FEATURES, seededNumbers(1).shuffle([...events]), moment).values), digest(values));
  t.not(digest(featureVector(FEATURES, events, { ...moment, seed: 6 }).values), digest(values));
  t.equal(
    digest(values),
    "12a2af2f68a35eec5b439e53d754fe82961f170714521ae371fdc54415007094",
    "and the same as when this was written, on another machine",
  );
});

t.test("events after the moment do not count: a feature cannot know what comes", async (_t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 180 }), (days) => {
      const events = log("b", 120);
      const then = { ...moment, nowMs: START_MS - days * DAY_MS };
      const before = events.filter(({ atMs }) => atMs <= then.nowMs);
      const [whole, part] = [featureVector(FEATURES, events, then), featureVector(FEATURES, before, then)];
      return digest(whole.values) === digest(part.values);
    }),
    { seed: 3, numRuns: 40 },
  );
});

t.test("each feature is what its name says", async (t) => {
  const at = (daysAgo: number, type: string, fields = {}): CapturedEvent => ({
    sequence: 0,
    atMs: START_MS - daysAgo * DAY_MS,
    type,
    fields,
  });
  const events = [
    at(10, "answer", { correct: true, skill: "fractions" }),
    at(3, "view"),
    at(3 - 10 / 1_440, "answer", { correct: false, skill: "sums" }),
    at(1, "view"),
  ];
  const { names, values } = featureVector(FEATURES, events, moment);
  const named = Object.fromEntries(names.map((name, i) => [name, values[i]]));
  t.match(named, {
    "recency:any": 0.5,
    "frequency:any:7d": 3,
    "frequency:answer:1d": 0,
    "sessions:count": 3,
    "sessions:minutes": 0,
    "sessions:events": 1,
    "timeOfDay:08": 1,
    "timeOfDay:12": 0,
    "timeOfDay:weekend": 0,
    "mean:answer:correct": 0.5,
    "table:skills:difficulty": -0.125,
    "table:skills:length": 8,
  });
  t.equal(named["recency:answer"], 1 / (1 + (3 - 10 / 1_440)));
  const hashes = names.flatMap((name, i) => (name.startsWith("hashed") ? [values[i] ?? 0] : []));
  t.equal(hashes.reduce((total, value) => total + Math.abs(value), 0) % 2, 0);
  const saturday = featureVector([timeOfDay()], [], { ...moment, nowMs: Date.UTC(2026, 10, 13, 23, 30) });
  t.same([...saturday.values], [1, 0, 0, 0, 0, 0, 1], "half past midnight on Saturday where the person is");
});

t.test("an empty log has features too", async (t) => {
  const { values } = featureVector(FEATURES, [], moment);
  t.ok(values.every(Number.isFinite));
});

t.test("features with one name, or with numbers that are none, are refused", async (t) => {
  t.throws(() => featureVector([recency(), recency()], [], moment), { code: "BAD_OPTION" });
  const broken: Feature = { names: ["x"], values: () => [Number.NaN] };
  t.throws(() => featureVector([broken], [], moment), { code: "BAD_OPTION" });
  t.throws(() => featureVector([{ names: ["x"], values: () => [] }], [], moment), { code: "BAD_OPTION" });
});

t.test("a table that is not the pinned one is refused, whoever made it", async (t) => {
  const other = writeTable({ name: "skills", columns: ["difficulty"], rows: { fractions: ["0.26"] } });
  t.throws(() => openTable(other.bytes, table.digest), { code: "TABLE_MISMATCH" });
  const uneven = writeTable({ name: "skills", columns: ["a", "b"], rows: { fractions: ["1"] } });
  t.throws(() => openTable(uneven.bytes, uneven.digest), { code: "TABLE_MISMATCH" });
  const odd = writeTable({ name: "skills", columns: ["a"], rows: { fractions: ["NaN"] } });
  t.throws(() => openTable(odd.bytes, odd.digest), { code: "TABLE_MISMATCH" });
  t.equal(skills.row("roots"), undefined);
  t.equal(skills.row("constructor"), undefined);
});
