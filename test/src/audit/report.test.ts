// What an operator hands out and an auditor makes of it, by the commands that they type, for a federation of processes; the
// report is looked at in a browser, as wide as a desk's and as a telephone's.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import t, { type Test } from "tap";
import { openBrowser, withoutChromium } from "../browser/chromium.js";
import { LineProcess } from "../processes/lines.js";
import { FEDLOOP, FEDLOOP_AUDIT, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";

const DELTA = 1e-5;
const PLAN = {
  rounds: 6,
  policy: { epsilon: 8, delta: DELTA },
  privacy: { mechanism: "central-discrete-gaussian", clipNorm: 1, noiseMultiplier: 3, bits: 18 },
  evaluation: { metric: "mean", every: 3, length: 2 },
};

function command(program: string, words: readonly string[], input = "") {
  return spawnSync(process.execPath, [program, ...words], { encoding: "utf8", input });
}

/** Runs the federation to its end. @returns paths of its configuration and of its bundle */
async function federation(
  t: Test,
): Promise<{ readonly config: string; readonly bundle: string; readonly folder: string }> {
  const folder = temporaryFolder(t);
  const config = writeConfiguration(folder, PLAN);
  const server = new ServeProcess(t, config, ["--exit-when-finished"]);
  const { address } = await server.listening();
  const script = fileURLToPath(new URL("../processes/participants.js", import.meta.url));
  const people = new LineProcess(t, [script, address, "0.1", "0.2", "0.3"]);
  if ((await people.exit()) !== 0) throw new Error(people.log);
  if ((await server.exit()) !== 0) throw new Error(server.log);
  const bundle = join(folder, "bundle.jsonl");
  const exported = command(FEDLOOP, ["--config", config, "audit-bundle", "export", "--out", bundle]);
  if (exported.status !== 0) throw new Error(exported.stderr);
  return { config, bundle, folder };
}

const real = await federation(t);

t.test(
  "the events of a bundle are what `fedloop epsilon` takes, unchanged, and they cost what the auditor says",
  async (t) => {
    const { stdout: events, status } = command(FEDLOOP_AUDIT, ["export-events", real.bundle]);
    t.equal(status, 0);
    const verified = JSON.parse(command(FEDLOOP_AUDIT, ["verify", real.bundle, "--json"]).stdout);
    const [{ recomputed }] = verified.populations;
    for (const accountant of ["rdp", "pld"] as const) {
      const words = ["epsilon", "--event", "-", "--delta", String(DELTA), "--accountant", accountant, "--json"];
      const { stdout, stderr, status } = command(FEDLOOP, words, events);
      t.equal(status, 0, stderr);
      t.equal(JSON.parse(stdout).epsilon, recomputed.population[accountant], accountant);
    }
  },
);

t.test("status and report say how long data were used after a withdrawal", async (t) => {
  const status = JSON.parse(command(FEDLOOP, ["--config", real.config, "status", "--json"]).stdout);
  t.same(status.populations[0].withdrawals, { withdrawals: 0, usedAfter: 0, medianMs: 0, longestMs: 0 });
  t.match(command(FEDLOOP, ["--config", real.config, "status"]).stdout, /withdrawals: nobody withdrew/);
  t.match(command(FEDLOOP_AUDIT, ["verify", real.bundle]).stdout, /nobody withdrew/);
});

/** What is wrong with a page at a width: nothing, where it is in order. */
async function look(t: Test, browser: Browser, page: string, width: number, height: number, picture: string) {
  const context = await browser.newContext({ viewport: { width, height } });
  const tab = await context.newPage();
  const complaints: string[] = [];
  tab.on("console", (message) => complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(error.message));
  tab.on("request", (request) => {
    if (!request.url().startsWith("file:")) complaints.push(`asks for ${request.url()}`);
  });
  await tab.goto(pathToFileURL(page).href);
  const seen = await tab.evaluate(() => ({
    text: document.body.textContent ?? "",
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    charts: [...document.querySelectorAll("svg")].map((chart) => {
      const { left, right, width, height } = chart.getBoundingClientRect();
      const labels = [...chart.querySelectorAll("text")].map((label) => label.getBoundingClientRect());
      return {
        inside: left >= 0 && right <= window.innerWidth + 0.5,
        width,
        height,
        lines: chart.querySelectorAll("path, polyline").length,
        smallest: Math.min(...labels.map((label) => label.height)),
        cut: labels.filter((label) => label.left < left - 1 || label.right > right + 1).length,
      };
    }),
  }));
  if (process.env.FEDLOOP_PICTURES !== undefined)
    await tab.screenshot({ path: join(process.env.FEDLOOP_PICTURES, picture), fullPage: true });
  await context.close();
  t.same(complaints, [], `${picture}: nothing is loaded and nothing fails`);
  return seen;
}

t.test(
  "the report is legible in a browser at the width of a desk and of a telephone",
  { skip: withoutChromium },
  async (t) => {
    const page = join(real.folder, "report.html");
    t.equal(command(FEDLOOP_AUDIT, ["report", real.bundle, "--out", page]).status, 0);
    const browser = await openBrowser(t);
    for (const [width, height] of [
      [1280, 900],
      [390, 844],
    ] as const) {
      const seen = await look(t, browser, page, width, height, `report-${width}.png`);
      t.match(seen.text, /Everything holds/);
      t.match(seen.text, /Privacy budget: lecturers/);
      t.match(seen.text, /largest of one participant/);
      t.match(seen.text, /from withdrawal to last use/);
      t.ok(seen.overflow <= 0, `${width}: nothing is wider than the page, by ${seen.overflow} pixels`);
      t.equal(seen.charts.length, 2, "one of ε over rounds, one of consents");
      for (const chart of seen.charts) {
        t.ok(
          chart.inside && chart.width > 0.7 * Math.min(width, 640) && chart.height > 100,
          `${width}: a chart has room`,
        );
        t.ok(chart.lines >= 2, "and lines");
        t.ok(chart.smallest >= 9, `its labels are ${chart.smallest} pixels high`);
        t.equal(chart.cut, 0, "and none is cut off");
      }
    }
  },
);

t.test(
  "the report of a changed bundle begins with what does not hold, and what that means",
  { skip: withoutChromium },
  async (t) => {
    const bytes = readFileSync(real.bundle);
    const at = bytes.indexOf('"controller"') + 16;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const changed = join(real.folder, "changed.jsonl");
    writeFileSync(changed, bytes);
    const page = join(real.folder, "changed.html");
    t.equal(command(FEDLOOP_AUDIT, ["report", changed, "--out", page]).status, 1);
    const browser = await openBrowser(t);
    const seen = await look(t, browser, page, 390, 844, "changed-390.png");
    t.match(seen.text, /not hold[\s\S]*Findings[\s\S]*ENTRY_SIGNATURE[\s\S]*does not verify under its author's key/);
    t.ok(seen.text.indexOf("ENTRY_SIGNATURE") < seen.text.indexOf("Privacy budget"));
    t.ok(seen.overflow <= 0, `nothing is wider than the page, by ${seen.overflow} pixels`);
  },
);
