// Pages as participants, beside Node processes, at one coordinator.
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import type { Test } from "tap";
import { POPULATION, PURPOSE } from "../processes/serve.js";
import { openBrowser, openPage } from "./chromium.js";
import type { TestPage } from "./pages/main.js";
import type { PageSettings } from "./pages/settings.js";
import { buildPages, STRICT_POLICY, serveFolder } from "./site.js";

/** The pages' sources, seen from the compiled file. */
const SOURCES = fileURLToPath(new URL("../../../src/browser/pages", import.meta.url));

/** Calls a function of the page's `testPage`. */
export function ask<Name extends keyof TestPage>(
  page: Page,
  name: Name,
  ...given: TestPage[Name] extends (...given: infer Given) => unknown ? Given : []
): Promise<TestPage[Name] extends (...given: never[]) => infer Answer ? Awaited<Answer> : TestPage[Name]> {
  return page.evaluate(
    async ([name, given]) => {
      const { testPage } = globalThis as unknown as { testPage: Record<string, unknown> };
      const member = testPage[name];
      return typeof member === "function" ? member.apply(testPage, given) : member;
    },
    [name, given] as const,
  ) as ReturnType<typeof ask<Name>>;
}

/** The test pages, built and served under a strict policy. @returns their origin */
export async function servePages(t: Test, policy: string = STRICT_POLICY): Promise<string> {
  const folder = t.testdir();
  await buildPages(SOURCES, folder);
  return serveFolder(t, folder, policy);
}

/** As many pages as values, each a device of its own, joined. */
export async function openParticipants(
  t: Test,
  origin: string,
  coordinator: string,
  people: readonly Pick<PageSettings, "value" | "busyMs">[],
): Promise<Page[]> {
  const browser = await openBrowser(t);
  return Promise.all(
    people.map(async (person) => {
      const page = await openPage(t, browser);
      await page.goto(origin);
      const device = "device";
      await ask(page, "join", { coordinator, population: POPULATION, purpose: PURPOSE, device, ...person });
      return page;
    }),
  );
}
