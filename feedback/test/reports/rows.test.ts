import { memoryStore } from "@fedloop/client-runtime";
import t from "tap";
import * as z from "zod/mini";
import { Capture, defineEvents, purposeGate, reportRows, SettableConsent } from "../../src/index.js";
import { ManualClock } from "../manual-clock.js";

t.test("a report sees what the registry lets out as aggregates, and nothing without consent", async (t) => {
  const registry = defineEvents({
    purposes: ["quality"],
    events: {
      answer: {
        purpose: "quality",
        retentionDays: 30,
        egress: "aggregate",
        fields: {
          correct: { schema: z.boolean(), purpose: "quality", egress: "aggregate" },
          text: { schema: z.string(), purpose: "quality" },
        },
      },
      diary: {
        purpose: "quality",
        retentionDays: 30,
        fields: { mood: { schema: z.number(), purpose: "quality", egress: "aggregate" } },
      },
    },
  });
  const clock = new ManualClock();
  const consent = new SettableConsent(["quality"]);
  const gate = purposeGate(consent, { globalPrivacyControl: () => false });
  const capture = await Capture.open({ registry, store: memoryStore(), gate, clock });
  capture.record("answer", { correct: true, text: "private" });
  capture.record("diary", { mood: 3 });
  clock.advance(50 * 3_600_000);
  capture.record("answer", { correct: false, text: "private" });
  const rows = await reportRows(capture, "quality", clock.now());
  t.same(rows, [
    { correct: true, type: "answer", daysAgo: 2 },
    { correct: false, type: "answer", daysAgo: 0 },
  ]);
  consent.set("quality", "refused");
  t.same(await reportRows(capture, "quality", clock.now()), []);
  await capture.close();
});
