// Many participants in one browser, which keeps six connections to a host over HTTP/1.1.
import { fileURLToPath } from "node:url";
import t from "tap";
import { LineProcess } from "../processes/lines.js";
import { ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { openBrowser, withoutChromium } from "./chromium.js";
import { ask, joinPage, servePages } from "./participants.js";

/** Quarters: sums are exact. */
const PAGE_VALUES = [-1.5, 8.25, 3, 0.5, 2];
const NODE_VALUES = [1, 4];
const EVERYONE = PAGE_VALUES.length + NODE_VALUES.length;
/** The first round begins with the two of Node, when all pages have opened their streams. */
const PLAN = {
  rounds: 1,
  cohort: { target: EVERYONE, minimum: EVERYONE, overSelection: 1 },
  // Held calls that keep others from being made last a minute.
  deadlines: { selection: "120s", report: "30s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
  secureAggregation: { enabled: true },
};

t.test(
  "five participants of one browser aggregate securely over HTTP/1.1; a sixth is told what to do",
  { skip: withoutChromium },
  async (t) => {
    const origin = await servePages(t);
    const config = writeConfiguration(temporaryFolder(t), PLAN, 0, { port: 0, corsOrigins: [origin] });
    const { address, http } = await new ServeProcess(t, config).listening();
    const browser = await openBrowser(t);
    // Tabs of one profile: they share connections, each with a worker of its own.
    const context = await browser.newContext();
    const open = async (device: string, value: number) => {
      const page = await context.newPage();
      await page.goto(origin);
      await joinPage(page, http, { device, value });
      return page;
    };
    const pages = await Promise.all(PAGE_VALUES.map((value, at) => open(`device ${at}`, value)));
    const sixth = await open("one too many", 1);
    const running = pages.map((page) => ask(page, "run"));
    await sixth.waitForFunction(
      async (count) => {
        const { held = [] } = await navigator.locks.query();
        return held.filter(({ name }) => name?.includes("streams")).length === count;
      },
      PAGE_VALUES.length,
      { polling: 50 },
    );
    await ask(sixth, "run");
    t.match(await ask(sixth, "ended"), /at most 5 participants in one browser.*HTTP\/2/);
    const script = fileURLToPath(new URL("../processes/participants.js", import.meta.url));
    const people = new LineProcess(t, [script, address, ...NODE_VALUES.map(String)]);
    await Promise.all(running);
    for (const page of pages) t.equal(await ask(page, "ended"), "in order");
    t.equal(await people.exit(), 0, people.log);
    const mean = Math.fround([...PAGE_VALUES, ...NODE_VALUES].reduce((sum, value) => sum + value, 0) / EVERYONE);
    const [first = sixth] = pages;
    t.same(await ask(first, "parameters"), [mean, mean, mean], "the model is the exact sum");
  },
);
