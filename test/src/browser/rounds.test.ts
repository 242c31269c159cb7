// The end-to-end test of both worlds: pages in headless Chromium and Node processes in the same round.
import { fileURLToPath } from "node:url";
import t from "tap";
import { LineProcess } from "../processes/lines.js";
import { ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { withoutChromium } from "./chromium.js";
import { ask, openParticipants, servePages } from "./participants.js";

const NODE_VALUES = [1, 2, 3, 4];
const PAGE_VALUES = [-1.5, 8.25];
const EVERYONE = NODE_VALUES.length + PAGE_VALUES.length;

/** Sums are exact: the values are quarters, and the granularity is a power of two below. */
const SECURE_PLAN = {
  rounds: 1,
  cohort: { target: EVERYONE, minimum: 3, overSelection: 1 },
  deadlines: { selection: "60s", report: "30s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
  secureAggregation: { enabled: true },
};

t.test(
  "pages and Node processes take part in the same securely aggregated round",
  { skip: withoutChromium },
  async (t) => {
    const origin = await servePages(t);
    const config = writeConfiguration(temporaryFolder(t), SECURE_PLAN, 0, { port: 0, corsOrigins: [origin] });
    const server = new ServeProcess(t, config);
    const { address, http } = await server.listening();
    const script = fileURLToPath(new URL("../processes/participants.js", import.meta.url));
    const people = new LineProcess<{ event: string; round?: number }>(t, [script, address, ...NODE_VALUES.map(String)]);
    const pages = await openParticipants(
      t,
      origin,
      http,
      PAGE_VALUES.map((value) => ({ value })),
    );
    await Promise.all(pages.map((page) => ask(page, "run")));
    for (const page of pages) {
      t.equal(await ask(page, "ended"), "in order");
      const events = await ask(page, "events");
      t.same(
        events.map(({ type }) => type).filter((type) => type !== "waiting" && type !== "training"),
        ["masked", "accepted", "released"],
      );
    }
    t.equal(await people.exit(), 0, people.log);
    t.equal(people.lines.filter(({ event }) => event === "accepted").length, NODE_VALUES.length);
    const sum = [...NODE_VALUES, ...PAGE_VALUES].reduce((total, value) => total + value, 0);
    const mean = Math.fround(sum / EVERYONE);
    for (const page of pages) {
      t.same(await ask(page, "parameters"), [mean, mean, mean], "the model is the exact sum");
      t.equal((await ask(page, "budget")).rounds, 1);
      t.same(
        (await ask(page, "receipts")).map(({ type }) => type),
        ["consent.given", "round"],
      );
    }
  },
);
