// A coordinator's own pages in Chromium, at the sizes and in the themes that people have.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { Test } from "tap";
import { FEDLOOP } from "../processes/serve.js";

/** Folder for pictures to look at: FEDLOOP_SCREENSHOTS; without it none are taken. */
const PICTURES = process.env.FEDLOOP_SCREENSHOTS;

export const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

/** A token of the HTTP API, made by the command. */
export function viewerToken(config: string): string {
  const args = ["--config", config, "tokens", "create", "--role", "viewer", "--name", "dashboard", "--json"];
  const { token } = JSON.parse(execFileSync(process.execPath, [FEDLOOP, ...args], { encoding: "utf8" }));
  return token;
}

/** A page that is watched: what it asked of whom, and what its browser refused or complained of. */
export interface WatchedPage {
  readonly page: Page;
  /** Origins of all requests, blobs and data aside. */
  readonly origins: ReadonlySet<string>;
  readonly complaints: readonly string[];
}

export async function openWatched(t: Test, browser: Browser, options: BrowserContextOptions): Promise<WatchedPage> {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  const origins = new Set<string>();
  const complaints: string[] = [];
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== "blob:" && protocol !== "data:") origins.add(origin);
  });
  page.on("console", (message) => {
    // What a content security policy forbids is an error on the console, too.
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return { page, origins, complaints };
}

/** Takes a picture for a person to look at, where a folder is named. */
export async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

/** WCAG 2.2, level AA. */
const LEAST_CONTRAST = 4.5;

/** On a desktop and on a phone, light and dark: nothing is wider than the window, and every text can be read. */
export async function requireReadable(t: Test, page: Page, name: string): Promise<void> {
  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      const shown = `${name}-${device}-${colorScheme}`;
      t.equal(await overflow(page), 0, `${shown} is no wider than its window`);
      const { ratio, text } = await leastContrast(page);
      t.ok(ratio >= LEAST_CONTRAST, `${shown}: "${text}" has a contrast of ${ratio}`);
      await picture(page, shown);
    }
  }
}

/** By how much the page is wider than its window. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

/** The least contrast between text and what is behind it (WCAG 2.2, 1.4.3), over all elements with text of their own. */
function leastContrast(page: Page): Promise<{ readonly ratio: number; readonly text: string }> {
  return page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    if (canvas === null) throw new Error("expected a canvas");
    const rgba = (colour: string): number[] => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (channels: readonly number[]): number => {
      const [red = 0, green = 0, blue = 0] = channels.map((channel) => {
        const part = channel / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element: Element): number[] => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const colour = rgba(getComputedStyle(at).backgroundColor);
        if ((colour[3] ?? 0) > 250) return colour;
      }
      return [255, 255, 255, 255];
    };
    let least = { ratio: 21, text: "" };
    for (const element of document.querySelectorAll("body *")) {
      const text = [...element.childNodes]
        .map((node) => (node.nodeType === Node.TEXT_NODE ? node.textContent : ""))
        .join("")
        .trim();
      if (text === "" || !(element instanceof HTMLElement) || element.offsetParent === null) continue;
      const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (ratio < least.ratio) least = { ratio, text };
    }
    return least;
  });
}
