// A page with the whole loop on it, offline, under a strict policy.
import { indexedDbStore } from "@fedloop/client-runtime/browser";
import { generateWebCryptoSigner } from "@fedloop/consent";
import { Capture, defineEvents, listenToDom, purposeGate, SettableConsent, type ShownMessage } from "@fedloop/feedback";
import { safeNodes, TOAST_ELEMENT, toastSurface } from "@fedloop/feedback/toast";
import * as z from "zod/mini";
import { captureCases } from "../../../../feedback/test/capture/compliance.js";
import { openBusyLoop } from "./busy-loop.js";

/** What a test can ask of the page. */
export interface FeedbackPage {
  /** What the content security policy kept from the page. */
  readonly violations: readonly string[];
  readonly errors: readonly string[];
  /** Failures of the suite of capture, over IndexedDB; empty when there are none. */
  captureFailures(): Promise<string[]>;
  /** Types and fields of what was captured, in order. */
  captured(): Promise<unknown[]>;
  /** Markup as the toast shows it. */
  safe(html: string): string;
  /** Shows a message by itself. @returns what became of it */
  show(message: ShownMessage): Promise<string>;
  /** Milliseconds from a click to a toast, and to a bare element, each on the screen; and how long the click itself took. */
  latencies(count: number): Promise<{ toastMs: number[]; baselineMs: number[]; callMs: number[] }>;
}

const PURPOSE = "mastery";
const violations: string[] = [];
const errors: string[] = [];
addEventListener("securitypolicyviolation", ({ violatedDirective }) => violations.push(violatedDirective));

const registry = defineEvents({
  purposes: [PURPOSE],
  events: {
    answer: {
      purpose: PURPOSE,
      retentionDays: 30,
      fields: {
        correct: { schema: z.boolean(), purpose: PURPOSE },
        skill: { schema: z.optional(z.string()), purpose: PURPOSE },
      },
    },
    "quiz.sent": { purpose: PURPOSE, retentionDays: 30, fields: {} },
    tick: { purpose: PURPOSE, retentionDays: 30, fields: {} },
  },
});
document.addEventListener("submit", (event) => event.preventDefault());

async function start(): Promise<Omit<FeedbackPage, "violations" | "errors">> {
  const store = indexedDbStore("feedback");
  const gate = purposeGate(new SettableConsent([PURPOSE]));
  const capture = await Capture.open({ registry, store, gate });
  listenToDom(document, capture, { onError: ({ code }) => errors.push(code) });
  const signer = await generateWebCryptoSigner();
  const surface = toastSurface({ stayMs: 60_000 });
  return {
    async captureFailures() {
      const failures: string[] = [];
      const cases = captureCases(async (place) => indexedDbStore(`capture-${place}`), true);
      for (const { name, run } of cases) {
        await run().catch((cause: unknown) => failures.push(`${name}: ${String(cause)}`));
      }
      return cases.length < 7 ? [`only ${cases.length} cases ran`] : failures;
    },
    async captured() {
      const all: unknown[] = [];
      for await (const { type, fields } of capture.read(PURPOSE)) all.push([type, fields]);
      return all;
    },
    safe(html) {
      const holder = document.createElement("div");
      holder.append(safeNodes(html));
      return holder.innerHTML;
    },
    show: (message) => surface.show(message),
    async latencies(times) {
      const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
      const area = document.createElement("div");
      const tick = document.createElement("button");
      tick.dataset.fedloopEvent = "tick";
      area.append(tick);
      const onError = (cause: unknown): void => void errors.push(String(cause));
      const loop = await openBusyLoop({ registry, purpose: PURPOSE, signer, surface, root: area, onError });
      const bare = document.createElement("button");
      bare.addEventListener("click", () => document.body.append(document.createElement("aside")));
      document.body.append(area, bare);
      const callMs: number[] = [];
      const measured = async (button: HTMLElement, selector: string): Promise<number> => {
        await frame();
        const startMs = performance.now();
        button.click();
        if (button === tick) callMs.push(performance.now() - startMs);
        const shown = document.querySelector(selector);
        if (shown === null) throw new Error(`expected ${selector} after the click`);
        shown.getBoundingClientRect();
        await frame();
        const ms = performance.now() - startMs;
        shown.shadowRoot?.querySelector<HTMLElement>("[data-response=opened]")?.click();
        shown.remove();
        await new Promise((resolve) => setTimeout(resolve));
        return ms;
      };
      const [toastMs, baselineMs]: [number[], number[]] = [[], []];
      for (let n = 0; n < times; n++) {
        toastMs.push(await measured(tick, TOAST_ELEMENT));
        baselineMs.push(await measured(bare, "aside"));
      }
      await loop.close();
      return { toastMs, baselineMs, callMs };
    },
  };
}

Object.assign(globalThis, { feedbackPage: start().then((page) => ({ violations, errors, ...page })) });
