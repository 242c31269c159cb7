/** Events of several tabs, and of pages that die, over one write-ahead list. Tabs are objects here; a browser's are in `test/`. */
import { ClientError, type DeviceStore, memoryStore, memoryWriteAhead, type WriteAhead } from "@fedloop/client-runtime";
import t from "tap";
import * as z from "zod/mini";
import {
  Capture,
  defineEvents,
  type FeedbackError,
  purposeGate,
  SettableConsent,
  secureWhenHidden,
  TabConsent,
  TabRecorder,
} from "../../src/index.js";
import { ManualClock } from "../manual-clock.js";

const PURPOSES = ["mastery", "messages"];
const n = { schema: z.number(), purpose: ["mastery", "messages"] as const };
const registry = defineEvents({
  purposes: PURPOSES,
  events: {
    answer: { purpose: ["mastery", "messages"], retentionDays: 30, fields: { n } },
    exam: { purpose: ["mastery", "messages"], retentionDays: 30, important: true, fields: { n } },
  },
});
const gateOf = (consent: SettableConsent) => purposeGate(consent, { globalPrivacyControl: () => false });

interface Device {
  readonly store: DeviceStore;
  readonly ahead: WriteAhead;
  readonly consent: SettableConsent;
  readonly clock: ManualClock;
}

const device = (): Device => ({
  store: memoryStore(),
  ahead: memoryWriteAhead(),
  consent: new SettableConsent(PURPOSES),
  clock: new ManualClock(),
});

const opened = ({ store, ahead, consent, clock }: Device) =>
  Capture.open({ registry, store, ahead, clock, gate: gateOf(consent) });
const recorder = ({ ahead, consent, clock }: Device) =>
  new TabRecorder({ registry, ahead, clock, gate: gateOf(consent) });

async function numbers(capture: Capture<never> | Awaited<ReturnType<typeof opened>>, purpose = "mastery") {
  const found: unknown[] = [];
  for await (const { fields } of (capture as Capture).read(purpose)) found.push(fields.n);
  return found;
}

/** A page that dies between writing its log and clearing the list. */
const unclearing = (ahead: WriteAhead): WriteAhead => ({ ...ahead, clear: async () => {} });

t.test("what two tabs record is in the log once, whichever has it open and however it ends", async (t) => {
  const here = device();
  const dying = await opened({ ...here, ahead: unclearing(here.ahead) });
  const [first, second] = [recorder(here), recorder(here)];
  const detach = first.attach(dying);
  const heard: unknown[] = [];
  dying.follow("messages", ({ fields }) => heard.push(fields.n));
  for (let i = 0; i < 6; i++) {
    t.same((i % 2 === 0 ? first : second).record("answer", { n: i }).captured, PURPOSES);
  }
  await dying.flush();
  t.same(new Set(await numbers(dying)), new Set([0, 1, 2, 3, 4, 5]));
  t.same(heard.sort(), [0, 1, 2, 3, 4, 5], "triggers hear of the other tab's events too");
  t.equal((await here.ahead.entries(0)).length, 3, "nothing was cleared");
  detach();
  second.record("answer", { n: 6 });
  first.record("answer", { n: 7 });
  const next = await opened(here);
  for (const purpose of PURPOSES) {
    t.same((await numbers(next, purpose)).sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  }
  t.same(await here.ahead.entries(0), [], "the list is empty when all is in the log");
  await next.close();
});

t.test("an important event outlives a page that dies at once, an ordinary one is lost with the batch", async (t) => {
  const here = device();
  const dying = await opened({ ...here, ahead: unclearing(here.ahead) });
  dying.record("answer", { n: 0 });
  dying.record("exam", { n: 1 });
  dying.record("answer", { n: 2 });
  dying.record("exam", { n: 3 });
  // It dies here. So does the next one, once it has written its log.
  const second = await opened({ ...here, ahead: unclearing(here.ahead) });
  t.same(await numbers(second), [1, 3]);
  second.record("answer", { n: 4 });
  await second.flush();
  const third = await opened(here);
  t.same(await numbers(third), [1, 3, 4], "none is there twice");
  const sequences: number[] = [];
  for await (const { sequence } of third.read("mastery")) sequences.push(sequence);
  t.same(sequences, [0, 1, 2]);
  await third.close();
});

t.test("what waits in a tab whose store is another tab's by now comes into the log through the list", async (t) => {
  const here = device();
  let isLost = false;
  const fenced: DeviceStore = {
    ...here.store,
    put: (key, bytes) => (isLost ? Promise.reject(new ClientError("STORE_BUSY", "lost")) : here.store.put(key, bytes)),
  };
  const failures: FeedbackError[] = [];
  const onError = (error: FeedbackError): void => void failures.push(error);
  const former = await Capture.open({ registry, ...here, store: fenced, gate: gateOf(here.consent), onError });
  former.record("answer", { n: 0 });
  await former.flush();
  isLost = true;
  const next = await opened(here);
  former.record("answer", { n: 1 });
  next.record("answer", { n: 2 });
  here.clock.advance(500);
  while ((await numbers(next)).length < 3) await new Promise((resolve) => setImmediate(resolve));
  t.same((await numbers(next)).sort(), [0, 1, 2]);
  t.match(failures, [{ code: "STORE_FAILED", cause: { code: "STORE_BUSY" } }]);
  await next.close();
});

t.test("what a dead page left is taken over though it arrives late", async (t) => {
  const here = device();
  const late: Uint8Array[] = [];
  const slow: WriteAhead = { ...here.ahead, append: async (bytes) => void late.push(bytes) };
  const dying = await opened({ ...here, ahead: slow });
  dying.record("answer", { n: 0 });
  void dying.secure();
  const next = await opened(here);
  next.record("answer", { n: 1 });
  for (const bytes of late) await here.ahead.append(bytes);
  here.clock.advance(500);
  while ((await here.ahead.entries(0)).length > 0) await new Promise((resolve) => setImmediate(resolve));
  t.same(await numbers(next), [1, 0], "the numbers that both have given out do not hide it");
  await next.close();
});

t.test("a page that is hidden or left secures what waits, once", async (t) => {
  const here = device();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" as DocumentVisibilityState });
  const window = new EventTarget();
  const page = { document, window } as unknown as NonNullable<Parameters<typeof secureWhenHidden>[1]>["page"];
  const dying = await opened(here);
  const end = secureWhenHidden(dying, page === undefined ? {} : { page });
  dying.record("answer", { n: 0 });
  document.dispatchEvent(new Event("visibilitychange"));
  t.same(await here.ahead.entries(0), [], "it is in sight");
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  dying.record("answer", { n: 1 });
  window.dispatchEvent(new Event("pagehide"));
  window.dispatchEvent(new Event("pagehide"));
  t.equal((await here.ahead.entries(0)).length, 2);
  end();
  dying.record("answer", { n: 2 });
  window.dispatchEvent(new Event("pagehide"));
  const next = await opened(here);
  t.same(await numbers(next), [0, 1]);
  await next.close();
});

t.test("withdrawal and erasure reach what lies in the list, and leave other purposes' events", async (t) => {
  for (const means of ["withdrawal", "erasure"]) {
    const here = device();
    const capture = await opened(here);
    recorder(here).record("answer", { n: 0 });
    capture.record("exam", { n: 1 });
    if (means === "erasure") await capture.erase("mastery");
    else {
      here.consent.set("mastery", "refused");
      await capture.deleted();
      t.same(recorder(here).record("answer", { n: 2 }), {
        captured: ["messages"],
        refused: { mastery: "refused" },
      });
      await capture.flush();
    }
    t.same(await here.ahead.entries(0), [], means);
    here.consent.set("mastery", "given");
    const next = await opened(here);
    t.same(await numbers(next), [], means);
    t.same((await numbers(next, "messages")).sort().slice(0, 2), [0, 1], means);
    await next.close();
  }
});

t.test("without a list important events are written at once, and a foreign entry in it harms nobody", async (t) => {
  const here = device();
  const capture = await Capture.open({ registry, store: here.store, clock: here.clock, gate: gateOf(here.consent) });
  capture.record("exam", { n: 1 });
  while (capture.count("mastery").pending > 0) await new Promise((resolve) => setImmediate(resolve));
  await here.ahead.append(new TextEncoder().encode("{}"));
  await here.ahead.append(Uint8Array.of(255));
  const next = await opened(here);
  t.same(await numbers(next), [1]);
  t.same(await here.ahead.entries(0), []);
});

t.test("a list that fails is reported, and what is in the queue is written as ever", async (t) => {
  const here = device();
  const broken: WriteAhead = { ...here.ahead, append: async () => Promise.reject(new Error("no room")) };
  const errors: string[] = [];
  const onError = ({ code }: { readonly code: string }): void => void errors.push(code);
  const gate = gateOf(here.consent);
  const capture = await Capture.open({ registry, store: here.store, clock: here.clock, gate, ahead: broken, onError });
  capture.record("exam", { n: 1 });
  new TabRecorder({ registry, ahead: broken, gate, clock: here.clock, onError }).record("answer", { n: 2 });
  await t.rejects(capture.secure(), { code: "STORE_FAILED" });
  t.same(errors, ["STORE_FAILED", "STORE_FAILED"]);
  await capture.flush();
  t.same(await numbers(capture), [1]);
  await capture.close();
});

t.test("tabs follow the decisions of the one that knows, and capture nothing before", async (t) => {
  const [known, other] = [new TabConsent("test", PURPOSES), new TabConsent("test", PURPOSES)];
  t.teardown(() => {
    known.close();
    other.close();
  });
  t.equal(other.decision("mastery"), "not-asked");
  const source = new SettableConsent(["mastery"]);
  const told = async (until: string): Promise<void> => {
    while (other.decision("mastery") !== until) await new Promise<void>((resolve) => void other.onChange(resolve));
  };
  const end = known.attach(source);
  await told("given");
  t.equal(other.decision("messages"), "not-asked");
  source.set("mastery", "refused");
  t.equal(known.decision("mastery"), "refused");
  await told("refused");
  end();
  t.equal(known.decision("mastery"), "refused", "what was told last holds on");
  t.equal(other.decision("toString"), "not-asked");
  source.set("mastery", "given");
  other.attach(source);
  while (known.decision("mastery") !== "given") await new Promise<void>((resolve) => void known.onChange(resolve));
});
