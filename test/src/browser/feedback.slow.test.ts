// The feedback loop in headless Chromium: offline, under a policy without eval and inline styles.
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import t from "tap";
import { openBrowser, openPage, withoutChromium } from "./chromium.js";
import type { FeedbackPage } from "./feedback-pages/main.js";
import { buildPages, STRICT_POLICY, serveFolder } from "./site.js";

const SOURCES = fileURLToPath(new URL("../../../src/browser/feedback-pages", import.meta.url));
const CLICKS = 40;
/** How much longer than a bare element a toast may take to be on the screen, both with a frame. */
const MOST_TIMES_BASELINE = 4;

/** Calls a function of the page, or reads what it holds. */
async function ask(page: Page, name: keyof FeedbackPage, ...given: unknown[]): Promise<unknown> {
  return page.evaluate(
    async ([name, given]) => {
      const { feedbackPage } = globalThis as unknown as { feedbackPage: Promise<Record<string, unknown>> };
      const member = (await feedbackPage)[name];
      return typeof member === "function" ? member(...given) : member;
    },
    [name, given] as const,
  );
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(part * sorted.length) - 1] ?? Number.NaN;
}

t.test("the loop in a page: capture, listener, toast, offline", { skip: withoutChromium }, async (t) => {
  const folder = t.testdir();
  await buildPages(SOURCES, folder);
  const origin = await serveFolder(t, folder, STRICT_POLICY);
  const page = await openPage(t, await openBrowser(t));
  await page.goto(origin);
  await ask(page, "violations");
  // From here on there is no network: nothing on the page may need one.
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.context().setOffline(true);

  await t.test("capture over IndexedDB", async (t) => {
    t.same(await ask(page, "captureFailures"), []);
  });

  await t.test("one listener captures what attributes say, and nothing else", async (t) => {
    await page.click("#inner");
    await page.click("#send");
    await page.click("#plain");
    await page.click("#broken");
    await page.click("#foreign");
    t.same(await ask(page, "captured"), [
      ["answer", { correct: true, skill: "7" }],
      ["quiz.sent", {}],
    ]);
    t.same(await ask(page, "errors"), ["BAD_EVENT", "BAD_EVENT"]);
  });

  await t.test("a toast is a region of its own that the keyboard reaches, and says what was answered", async (t) => {
    const message = { class: "normal", title: "<b>Title</b>", body: "<b>Body</b>", language: "de" };
    for (const [press, response] of [
      ["Open", "opened"],
      ["Not now", "dismissed"],
      ["No more messages", "opted-out"],
    ] as const) {
      const answered = ask(page, "show", message);
      const toast = page.locator("fedloop-toast");
      t.equal(await toast.locator("h2").textContent(), "<b>Title</b>", "titles are plain text");
      t.equal(await toast.locator("section").getAttribute("role"), "status");
      t.equal(await toast.getAttribute("lang"), "de");
      t.equal(await toast.evaluate((element) => getComputedStyle(element).position), "fixed", "its style is there");
      await toast.getByText(press, { exact: true }).focus();
      await page.keyboard.press("Enter");
      t.equal(await answered, response);
      t.equal(await page.locator("fedloop-toast").count(), 0);
    }
    const critical = ask(page, "show", { ...message, class: "critical" });
    t.equal(await page.locator("fedloop-toast section").getAttribute("role"), "alert");
    await page.locator("fedloop-toast button").first().focus();
    await page.keyboard.press("Escape");
    t.equal(await critical, "dismissed");
  });

  await t.test("a click becomes a toast about as fast as anything appears on the screen", async (t) => {
    const latencies = (await ask(page, "latencies", CLICKS)) as Awaited<ReturnType<FeedbackPage["latencies"]>>;
    const [toast, baseline] = [percentile(latencies.toastMs, 0.95), percentile(latencies.baselineMs, 0.95)];
    t.comment(
      `action to toast, offline: median ${percentile(latencies.toastMs, 0.5).toFixed(1)} ms, p95 ${toast.toFixed(1)} ms; a bare element p95 ${baseline.toFixed(1)} ms`,
    );
    const callMs = [0.5, 0.95].map((part) => percentile(latencies.callMs, part).toFixed(1));
    t.comment(`of that the click itself: median ${callMs[0]} ms, p95 ${callMs[1]} ms`);
    t.same(await ask(page, "errors"), ["BAD_EVENT", "BAD_EVENT"], "no part of the loop failed");
    const [toastMedian, baselineMedian] = [percentile(latencies.toastMs, 0.5), percentile(latencies.baselineMs, 0.5)];
    t.ok(toastMedian <= MOST_TIMES_BASELINE * baselineMedian, `${toastMedian} ms, a bare element ${baselineMedian} ms`);
  });

  t.same(await ask(page, "violations"), [], "the policy had nothing to keep from the page");

  await t.test("markup of a message is rebuilt from a list", async (t) => {
    const table: readonly [string, string][] = [
      ["<b>a</b> &lt;i&gt;", "<b>a</b> &lt;i&gt;"],
      ["<script>alert(1)</script>x", "x"],
      ["<img src=x onerror=alert(1)>y", "y"],
      ["<b onclick=alert(1) style=x class=y id=z>b</b>", "<b>b</b>"],
      ["<a href='javascript:alert(1)'>a</a>", "<a>a</a>"],
      ["<a href='JaVa\tScript:alert(1)'>a</a>", "<a>a</a>"],
      ["<a href='data:text/html,x'>a</a>", "<a>a</a>"],
      ["<a href='http://example.org/'>a</a>", "<a>a</a>"],
      ["<a href='https://example.org/'>a</a>", `<a href="https://example.org/" rel="noopener noreferrer">a</a>`],
      ["<a href='/lesson'>a</a>", `<a href="${origin}/lesson" rel="noopener noreferrer">a</a>`],
      ["<svg><script>alert(1)</script></svg>z", "z"],
      ["<math><mtext><script>alert(1)</script></mtext></math>", ""],
      ["<form action=//example.org><button>go</button></form>", "go"],
      ["<iframe srcdoc='<b>x</b>'></iframe>", ""],
      ["<style>*{display:none}</style><base href=//example.org>k", "k"],
      ["<noscript><p title='</noscript><img src=x onerror=alert(1)>'>x", "<p>x</p>"],
      ["<template><b>x</b></template>", ""],
      ["<p>".repeat(600), "<p></p>".repeat(500)],
    ];
    for (const [html, safe] of table) t.equal(await ask(page, "safe", html), safe, html.slice(0, 60));
  });

  t.same(requests, [], "nothing asked for the network");
});
