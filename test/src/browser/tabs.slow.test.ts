// Several tabs of one app in headless Chromium, some of which die.
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import t from "tap";
import { openBrowser, withoutChromium } from "./chromium.js";
import { buildPages, STRICT_POLICY, serveFolder } from "./site.js";
import type { TabPage } from "./tab-pages/main.js";

const SOURCES = fileURLToPath(new URL("../../../src/browser/tab-pages", import.meta.url));
const EVENTS = 150;

async function ask(page: Page, name: keyof TabPage, ...given: unknown[]): Promise<unknown> {
  return page.evaluate(
    async ([name, given]) => {
      const { tabPage } = globalThis as unknown as { tabPage: Promise<Record<string, unknown>> };
      const member = (await tabPage)[name];
      return typeof member === "function" ? member(...given) : member;
    },
    [name, given] as const,
  );
}

/** Asks until the page says so: what it waits for is another tab's doing. */
async function until(page: Page, name: keyof TabPage, holds: (answer: unknown) => boolean): Promise<void> {
  while (!holds(await ask(page, name))) await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 10)));
}
const isTrue = (answer: unknown): boolean => answer === true;

/** Ends the processes that pages run in as a crash would: nothing in them runs any more. Done when the browser has noticed it. */
async function killPages(browser: Browser): Promise<void> {
  const session = await browser.newBrowserCDPSession();
  const renderers = async (): Promise<number[]> => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return processInfo.flatMap(({ type, id }) => (type === "renderer" ? [id] : []));
  };
  const killed = await renderers();
  for (const id of killed) process.kill(id, "SIGKILL");
  // Else the next page may be given a process that is gone.
  while ((await renderers()).some((id) => killed.includes(id))) await nextTurn();
  await session.detach();
}

const sorted = (numbers: unknown): number[] => (numbers as number[]).toSorted((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

t.test(
  "several tabs have one log, one training and delivery, and lose nothing",
  { skip: withoutChromium },
  async (t) => {
    const folder = t.testdir();
    await buildPages(SOURCES, folder);
    const origin = await serveFolder(t, folder, STRICT_POLICY);
    const browser = await openBrowser(t);
    const device = (): Promise<BrowserContext> => browser.newContext();
    const tab = async (context: BrowserContext, query = ""): Promise<Page> => {
      const page = await context.newPage();
      page.on("pageerror", (error) => t.comment(`page: ${error.message}`));
      await page.goto(`${origin}/?${query}`);
      return page;
    };

    for (const query of ["", "lease"]) {
      await t.test(`two tabs record at once, by ${query === "" ? "Web Locks" : "a lease"}`, async (t) => {
        const context = await device();
        const [one, two] = [await tab(context, query), await tab(context, query)];
        await until(one, "isFirst", isTrue);
        await until(two, "isAllowed", isTrue);
        t.equal(await ask(two, "isFirst"), false, "one tab has the log");
        const recording = [one, two].map((page, at) =>
          page.evaluate(
            async ([count, at]) => {
              const page = await (globalThis as unknown as { tabPage: Promise<TabPage> }).tabPage;
              for (let n = 0; n < count; n++) {
                page.record(n % 10 === 0 ? "exam" : "answer", 2 * n + at);
                if (n % 7 === 0) await new Promise((resolve) => setTimeout(resolve));
              }
            },
            [EVENTS, at] as const,
          ),
        );
        await Promise.all(recording);
        await until(one, "numbers", (numbers) => (numbers as unknown[]).length >= 2 * EVENTS);
        t.same(sorted(await ask(one, "numbers")), upTo(2 * EVENTS), "each event once");
        t.same(
          [await ask(one, "shown"), await ask(two, "shown")],
          [1, 0],
          "a message is shown once, not once for each tab",
        );

        // The tab with the log is closed; what it had not written is the other's to write.
        const closed = one.waitForEvent("close");
        await one.close({ runBeforeUnload: true });
        await closed;
        await until(two, "isFirst", isTrue);
        await ask(two, "record", "answer", 2 * EVENTS);
        t.same(sorted(await ask(two, "numbers")), upTo(2 * EVENTS + 1));
        t.equal(await ask(two, "shown"), 0, "the caps hold in the next tab");
        t.same(await ask(two, "errors"), []);
        await context.close();
      });
    }

    await t.test("the tab that has the log decides, the tab that can be seen shows", async (t) => {
      const context = await device();
      const first = await tab(context, "hidden");
      await until(first, "isFirst", isTrue);
      await ask(first, "record", "answer", 0);
      t.equal(await ask(first, "shown"), 0);
      const second = await tab(context);
      await until(second, "shown", (shown) => shown === 1);
      t.equal(await ask(first, "shown"), 0);
      t.same([...((await ask(first, "errors")) as unknown[]), ...((await ask(second, "errors")) as unknown[])], []);
      await context.close();
    });

    await t.test("an important event outlives a page that is killed in the turn that recorded it", async (t) => {
      const context = await device();
      const page = await tab(context);
      await until(page, "isFirst", isTrue);
      await ask(page, "record", "answer", 0);
      const crashed = page.waitForEvent("crash");
      // The page hangs in the same turn: no callback of the database runs in it any more.
      const hung = ask(page, "recordAndHang", "exam", 1).catch(() => {});
      await killPages(browser);
      await Promise.all([crashed, hung]);
      const next = await tab(context);
      await until(next, "isFirst", isTrue);
      t.same(await ask(next, "numbers"), [1], "the ordinary one was in the batch that died");
      await context.close();
    });

    await t.test("a page that is left secures its batch; one that does not listen loses it", async (t) => {
      for (const [query, kept] of [
        ["", [0, 1]],
        ["careless", []],
      ] as const) {
        const context = await device();
        const page = await tab(context, query);
        await until(page, "isFirst", isTrue);
        await page.evaluate(async () => {
          const page = await (globalThis as unknown as { tabPage: Promise<TabPage> }).tabPage;
          page.record("answer", 0);
          page.record("answer", 1);
          location.href = "about:blank";
        });
        await page.waitForURL("about:blank");
        const next = await tab(context, query);
        await until(next, "isFirst", isTrue);
        t.same(await ask(next, "numbers"), kept, query);
        await context.close();
      }
    });

    await t.test("what a capture costs", async (t) => {
      const context = await device();
      const page = await tab(context);
      await until(page, "isFirst", isTrue);
      for (const type of ["answer", "exam"]) {
        await ask(page, "cost", type, 200);
        const { callMicroseconds, keptMicroseconds } = (await ask(page, "cost", type, 2_000)) as Awaited<
          ReturnType<TabPage["cost"]>
        >;
        t.comment(`${type}: ${callMicroseconds.toFixed(1)} µs a call, ${keptMicroseconds.toFixed(1)} µs until kept`);
        t.ok(callMicroseconds <= keptMicroseconds);
      }
      t.same(await ask(page, "errors"), []);
      await context.close();
    });
  },
);
