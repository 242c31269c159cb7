// A page whose tab is behind another one: the browser itself says that it is hidden.
import { fileURLToPath } from "node:url";
import t from "tap";
import { LineProcess } from "../processes/lines.js";
import { POPULATION, PURPOSE, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { bareChromium } from "./bare-chromium.js";
import { withoutChromium } from "./chromium.js";
import { servePages } from "./participants.js";

const NODE_VALUES = [1, 2];
const PAGE_VALUE = 4.5;
const EVERYONE = NODE_VALUES.length + 1;
const ROUNDS = 2;
const PLAN = {
  rounds: ROUNDS,
  cohort: { target: EVERYONE, minimum: EVERYONE, overSelection: 1 },
  deadlines: { selection: "60s", report: "30s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
  secureAggregation: { enabled: true },
};

t.test("a participant in a hidden tab takes part in every round", { skip: withoutChromium }, async (t) => {
  const origin = await servePages(t);
  const config = writeConfiguration(temporaryFolder(t), PLAN, 0, { port: 0, corsOrigins: [origin] });
  const { address, http } = await new ServeProcess(t, config).listening();
  const browser = bareChromium(t);
  const page = await browser.open(origin);
  const settings = {
    coordinator: http,
    population: POPULATION,
    purpose: PURPOSE,
    device: "hidden",
    value: PAGE_VALUE,
  };
  await page.evaluate(`testPage.join(${JSON.stringify(settings)})`);
  await page.evaluate(`
    globalThis.hidden = new Promise((resolve) => addEventListener("visibilitychange", resolve, { once: true }));
    globalThis.shownAgain = 0;
    document.addEventListener("visibilitychange", () => { shownAgain += document.visibilityState === "visible" ? 1 : 0; });`);
  await browser.open("about:blank");
  await page.evaluate("document.visibilityState === 'hidden' || hidden.then(() => {})");
  t.equal(await page.evaluate("document.visibilityState"), "hidden");

  const script = fileURLToPath(new URL("../processes/participants.js", import.meta.url));
  const people = new LineProcess<{ event: string }>(t, [script, address, ...NODE_VALUES.map(String)]);
  await page.evaluate("testPage.run()");
  t.equal(await page.evaluate("testPage.ended()"), "in order");
  t.equal(await page.evaluate("testPage.events.filter(({ type }) => type === 'accepted').length"), ROUNDS);
  t.equal(await people.exit(), 0, people.log);
  const sum = NODE_VALUES.reduce((total, value) => total + value, PAGE_VALUE);
  const mean = Math.fround(Math.fround(sum / EVERYONE) * ROUNDS);
  t.same(await page.evaluate("testPage.parameters()"), [mean, mean, mean], "its update is in each sum");
  t.equal(await page.evaluate("document.visibilityState"), "hidden");
  t.equal(await page.evaluate("shownAgain"), 0, "it was hidden all the time");
});
