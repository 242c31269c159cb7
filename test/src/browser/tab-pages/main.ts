// One of several tabs of an app: all record, the one that has the store open reads, decides and shows.
import { indexedDbStore, indexedDbWriteAhead } from "@fedloop/client-runtime/browser";
import { generateWebCryptoSigner, webCryptoVerifier } from "@fedloop/consent";
import {
  Capture,
  caps,
  Delivery,
  defineEvents,
  FeedbackLoop,
  fixedContent,
  inboxSurface,
  type PageVisibility,
  purposeGate,
  SettableConsent,
  secureWhenHidden,
  signBundle,
  TabConsent,
  TabMessages,
  TabRecorder,
} from "@fedloop/feedback";
import { liquidTemplates, Messages } from "@fedloop/feedback/templates";
import { ruleTrigger } from "@fedloop/feedback/triggers";
import * as z from "zod/mini";

/** What a test can ask of the page. */
export interface TabPage {
  /** Records an event with this number. */
  record(type: "answer" | "exam", n: number): void;
  /** Records, and never comes back: whatever is to happen after this turn does not. */
  recordAndHang(type: "answer" | "exam", n: number): void;
  /** Whether this tab has the log open. */
  isFirst(): boolean;
  /** The numbers in the log, of the tab that has it open. */
  numbers(): Promise<unknown[]>;
  /** Messages that this tab has shown. */
  shown(): number;
  /** What the tab may capture now. */
  isAllowed(): boolean;
  /** Microseconds that one call of record takes, over so many, and until all are kept. */
  cost(type: "answer" | "exam", times: number): Promise<{ callMicroseconds: number; keptMicroseconds: number }>;
  readonly errors: readonly string[];
}

const PURPOSE = "mastery";
const field = { schema: z.number(), purpose: PURPOSE } as const;
const registry = defineEvents({
  purposes: [PURPOSE],
  events: {
    answer: { purpose: PURPOSE, retentionDays: 30, fields: { n: field } },
    exam: { purpose: PURPOSE, retentionDays: 30, important: true, fields: { n: field } },
  },
});
const errors: string[] = [];
const failed = (cause: unknown): void => void errors.push(String(cause));
const given = new URLSearchParams(location.search);
/** Longer than any test, unless the page is told otherwise: nothing is written by itself. */
const batchMs = Number(given.get("batchMs") ?? 3_600_000);
/** Without locks, as in a browser that has none. A page of a busy machine is held up for seconds, and must not lose its lease by that. */
const taking = given.has("lease") ? { locks: null, leaseMs: 20_000 } : {};

/** What a page says of itself that nobody can see: tabs of a headless browser are all to be seen. */
const HIDDEN: PageVisibility = {
  visibilityState: "hidden",
  addEventListener: () => {},
  removeEventListener: () => {},
};

async function start(): Promise<TabPage> {
  const ahead = await indexedDbWriteAhead("tabs-ahead");
  // Opened once, so that the first append is on its way within its call.
  await ahead.entries(0);
  const consent = new TabConsent("tabs", [PURPOSE]);
  const gate = purposeGate(consent);
  const recorder = new TabRecorder({ registry, gate, ahead, onError: failed });
  let shown = 0;
  const surface = new TabMessages({
    name: "tabs",
    page: given.has("hidden") ? HIDDEN : document,
    surface: inboxSurface(({ length }) => {
      shown = length;
    }),
  });
  let capture: Capture | undefined;

  const lead = async (): Promise<void> => {
    const store = indexedDbStore("tabs", { waitMs: Number.POSITIVE_INFINITY, ...taking });
    // The first use waits until no other tab has the store.
    await store.keys("");
    consent.attach(new SettableConsent([PURPOSE]));
    const own = await Capture.open({ registry, store, gate, ahead, batchMs, onError: failed });
    if (!given.has("careless")) secureWhenHidden(own, { onError: failed });
    recorder.attach(own);
    const signer = await generateWebCryptoSigner();
    const texts = { en: { title: "Well done", body: "" } };
    const contents = { defaultLanguage: "en", templates: { praise: { variables: {}, texts, fallback: texts } } };
    const trust = { keys: [signer.publicKey], verifier: webCryptoVerifier() };
    const messages = await Messages.open(await signBundle("templates", 1, contents, signer), trust, liquidTemplates());
    await FeedbackLoop.open({
      capture: own,
      gate,
      store,
      messages,
      surface,
      attention: surface,
      delivery: await Delivery.open({ store, limits: [caps({ perSession: 1, perDay: 1, perWeek: 1 })] }),
      triggers: [
        ruleTrigger({
          id: "praise",
          purpose: PURPOSE,
          on: { type: "milestone", event: "answer", count: 1, repeats: true },
        }),
      ],
      campaigns: [{ trigger: "praise", content: fixedContent("praise") }],
      onError: failed,
    });
    capture = own as unknown as Capture;
  };
  lead().catch(failed);

  return {
    record: (type, n) => void recorder.record(type, { n }),
    recordAndHang(type, n) {
      recorder.record(type, { n });
      for (;;) if (performance.now() < 0) return;
    },
    isFirst: () => capture !== undefined,
    async numbers() {
      const found: unknown[] = [];
      await capture?.flush();
      for await (const { fields } of capture?.read(PURPOSE) ?? []) found.push(fields.n);
      return found;
    },
    shown: () => shown,
    isAllowed: () => gate.state(PURPOSE) === "allowed",
    async cost(type, times) {
      const store = indexedDbStore("cost");
      const ahead = await indexedDbWriteAhead("cost-ahead");
      const own = await Capture.open({ registry, store, gate, ahead, batchMs, onError: failed });
      const startMs = performance.now();
      for (let n = 0; n < times; n++) own.record(type, { n });
      const callsMs = performance.now() - startMs;
      await own.close();
      await store.close();
      await ahead.close();
      return {
        callMicroseconds: (1_000 * callsMs) / times,
        keptMicroseconds: (1_000 * (performance.now() - startMs)) / times,
      };
    },
    errors,
  };
}

(globalThis as unknown as { tabPage: Promise<TabPage> }).tabPage = start();
