import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Test } from "tap";

/** Where Chromium is. */
export const EXECUTABLE: string = process.env.FEDLOOP_CHROMIUM ?? "/usr/bin/chromium";

/** Why browser tests are skipped; false where they run. */
export const withoutChromium: string | false = existsSync(EXECUTABLE)
  ? false
  : "Chromium is missing: apt-get install chromium, or name one in FEDLOOP_CHROMIUM";

/** A browser, closed with the test. */
export async function openBrowser(t: Test): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: ["--no-sandbox", "--disable-background-networking"],
  });
  t.teardown(() => browser.close());
  return browser;
}

/**
 * A page of a profile of its own: storage, locks and connections are not shared with other pages. What it complains of
 * goes into the test's output.
 */
export async function openPage(t: Test, browser: Browser): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") t.comment(`page: ${message.text()}`);
  });
  page.on("pageerror", (error) => t.comment(`page: ${error.stack ?? error.message}`));
  return page;
}
