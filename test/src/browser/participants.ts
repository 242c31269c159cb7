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

/** How pages are served. */
export interface ServeOptions {
  /** Content security policy; the strict one unless given. */
  readonly policy?: string;
  /** What the address `/held` waits for before it answers. */
  readonly held?: Promise<unknown>;
}

/** The test pages, built and served. @returns their origin */
export async function servePages(t: Test, { policy = STRICT_POLICY, held }: ServeOptions = {}): Promise<string> {
  const folder = t.testdir();
  await buildPages(SOURCES, folder);
  return serveFolder(t, folder, policy, held);
}

/** What a page joins with, its place in the test filled in. */
export type Person = Omit<PageSettings, "coordinator" | "population" | "purpose" | "device"> &
  Partial<Pick<PageSettings, "device">>;

export const DEVICE = "device";

/** Joins as the device that this page's profile is. @returns its pseudonym */
export function joinPage(page: Page, coordinator: string, person: Person): Promise<string> {
  return ask(page, "join", { coordinator, population: POPULATION, purpose: PURPOSE, device: DEVICE, ...person });
}

/** As many pages as people, each a device of its own, joined. */
export async function openParticipants(
  t: Test,
  origin: string,
  coordinator: string,
  people: readonly Person[],
): Promise<Page[]> {
  const browser = await openBrowser(t);
  return Promise.all(
    people.map(async (person) => {
      const page = await openPage(t, browser);
      await page.goto(origin);
      await joinPage(page, coordinator, person);
      return page;
    }),
  );
}
