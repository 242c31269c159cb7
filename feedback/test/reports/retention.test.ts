import { memoryStore } from "@fedloop/client-runtime";
import { analyticsQuery, contribution } from "@fedloop/privacy/analytics";
import t from "tap";
import * as z from "zod/mini";
import {
  Capture,
  defineEvents,
  forgetJoined,
  joinedMs,
  purposeGate,
  retentionRows,
  SettableConsent,
} from "../../src/index.js";
import { ManualClock } from "../manual-clock.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const registry = defineEvents({
  purposes: ["quality"],
  events: {
    answer: { purpose: "quality", retentionDays: 30, egress: "aggregate", fields: {} },
    diary: { purpose: "quality", retentionDays: 30, fields: { mood: { schema: z.number(), purpose: "quality" } } },
  },
});

t.test("days of activity are counted from joining, and answer a query of retention", async (t) => {
  const clock = new ManualClock();
  const store = memoryStore();
  const consent = new SettableConsent(["quality"]);
  const gate = purposeGate(consent, { globalPrivacyControl: () => false });
  const capture = await Capture.open({ registry, store, gate, clock });
  const joined = await joinedMs(store, "quality", clock.now());
  const rows = async () =>
    retentionRows(capture, "quality", {
      gate,
      joinedMs: await joinedMs(store, "quality", clock.now()),
      nowMs: clock.now(),
    });
  t.same(await rows(), [{ day: 0, tenure: 0 }], "who has done nothing yet has joined");

  clock.advance(DAY_MS - 1);
  capture.record("answer", {});
  clock.advance(1);
  capture.record("answer", {});
  capture.record("answer", {});
  clock.advance(2 * DAY_MS);
  capture.record("diary", { mood: 3 });
  clock.advance(4 * DAY_MS + 23 * HOUR_MS);
  capture.record("answer", {});
  t.equal(await joinedMs(store, "quality", clock.now()), joined, "the moment of the first call is kept");
  const kept = await rows();
  t.same(
    kept.map(({ day }) => day),
    [0, 1, 7],
    "the diary's day leaves no trace: its egress class is never",
  );
  t.ok(kept.every(({ tenure }) => tenure === 7));
  t.same(await rows(), kept);

  const query = analyticsQuery.parse({
    kind: "ratio",
    table: "activity",
    among: { tenure: { atLeast: 7, below: 30 } },
    parts: { "day-1": { day: 1 }, "day-3": { day: 3 }, "day-7": { day: 7 } },
  });
  t.same([...contribution(query, kept)], [1, 1, 0, 1]);
  const tooShort = kept.map((row) => ({ ...row, tenure: 6 }));
  t.same([...contribution(query, tooShort)], [0, 0, 0, 0], "who joined too late is not looked at");

  consent.set("quality", "refused");
  t.same(await rows(), []);
  await forgetJoined(store, "quality");
  t.equal(await joinedMs(store, "quality", clock.now()), clock.now());
  await capture.close();
});
