import { join } from "node:path";
import { type DeviceStore, importSealingKey, memoryStore, sealedStore } from "@fedloop/client-runtime";
import { fileStore } from "@fedloop/client-runtime/node";
import t from "tap";
import {
  browserPrivacyControl,
  Capture,
  ParticipantConsent,
  type PurposeGate,
  purposeGate,
  SettableConsent,
} from "../../src/index.js";
import { ManualClock } from "../manual-clock.js";
import { type CaptureCase, captureCases, registry } from "./compliance.js";

/** Binds the suite. */
function compliance(name: string, cases: readonly CaptureCase[]): void {
  for (const { name: behaviour, run } of cases) t.test(`${name}: ${behaviour}`, (t) => t.resolves(run()));
}

const root = t.testdir();
const key = await importSealingKey(new Uint8Array(32).fill(7));
compliance(
  "memory",
  captureCases(async () => memoryStore(), false),
);
compliance(
  "files",
  captureCases(async (place) => fileStore(join(root, place)), true),
);
compliance(
  "sealed files",
  // What sealing could spoil: the rest is the files' own.
  captureCases(async (place) => sealedStore(fileStore(join(root, `sealed-${place}`)), key), true).filter(
    ({ name }) => !/none is lost|ring/.test(name),
  ),
);

function gateOf(given: readonly string[]): PurposeGate {
  return purposeGate(new SettableConsent(given), { globalPrivacyControl: () => false });
}

function opened(store: DeviceStore, gate: PurposeGate = gateOf(registry.purposes), clock = new ManualClock()) {
  return Capture.open({ registry, store, gate, clock });
}

t.test("Global Privacy Control is honoured first, unless the person confirmed the purpose against it", async (t) => {
  const consent = new SettableConsent(["mastery", "messages"]);
  const gate = purposeGate(consent, { globalPrivacyControl: () => true, conflictConfirmed: ["messages"] });
  const capture = await opened(memoryStore(), gate);
  t.same(capture.record("answer", { n: 1 }), {
    captured: ["messages"],
    refused: { mastery: "global-privacy-control" },
  });
  consent.set("messages", "refused");
  t.same(capture.record("answer", { n: 1 }).captured, [], "confirming the conflict is no consent");
  await capture.close();
  t.equal(browserPrivacyControl(), false);
  Object.defineProperty(
    globalThis.navigator ?? Object.assign(globalThis, { navigator: {} }).navigator,
    "globalPrivacyControl",
    {
      value: true,
      configurable: true,
    },
  );
  t.equal(purposeGate(new SettableConsent(["mastery"])).state("mastery"), "global-privacy-control");
  Reflect.deleteProperty(globalThis.navigator, "globalPrivacyControl");
});

t.test("before anyone was asked nothing is captured, and nothing deleted", async (t) => {
  const store = memoryStore();
  const before = await opened(store);
  before.record("answer", { n: 1 });
  await before.close();
  const capture = await opened(store, gateOf([]));
  t.same(capture.record("answer", { n: 2 }).refused, { mastery: "not-asked", messages: "not-asked" });
  t.equal(capture.count("mastery").events, 1);
  for await (const event of capture.read("mastery")) t.fail(`read ${event.type} without consent`);
  await capture.close();
});

t.test("a participant's consents count as they stand in its log, until they expire", async (t) => {
  let nowMs = 1_000;
  const own = { policy: 1, index: 0, leafHash: "", limits: { epsilon: null, delta: null, rounds: null }, entry: "" };
  const withdrawn: (string | undefined)[] = [];
  const consent = new ParticipantConsent(
    {
      consents: {
        mastery: { ...own, state: "given", validUntil: 2_000 },
        messages: { ...own, state: "refused", validUntil: null },
      },
      withdraw: async (purpose) => void withdrawn.push(purpose),
    },
    () => nowMs,
  );
  t.equal(consent.decision("mastery"), "given");
  t.equal(consent.decision("messages"), "refused");
  t.equal(consent.decision("other"), "not-asked");
  let calls = 0;
  const end = consent.onChange(() => {
    calls += 1;
  });
  const done = consent.withdraw("mastery");
  t.equal(consent.decision("mastery"), "refused", "at once");
  await done;
  t.same(withdrawn, ["mastery"]);
  consent.refresh();
  t.equal(consent.decision("mastery"), "given", "asked anew");
  nowMs = 2_000;
  t.equal(consent.decision("mastery"), "refused", "expired");
  t.equal(calls, 2);
  end();
  consent.refresh();
  t.equal(calls, 2);
});

t.test("a store that fails loses nothing: the batch is written with the next", async (t) => {
  const inner = memoryStore();
  let isBroken = false;
  const store: DeviceStore = {
    ...inner,
    put: async (name, bytes) => {
      if (isBroken) throw new Error("the disk is full");
      await inner.put(name, bytes);
    },
  };
  const errors: string[] = [];
  const clock = new ManualClock();
  const capture = await Capture.open({
    registry,
    store,
    gate: gateOf(["mastery"]),
    clock,
    onError: ({ code }) => errors.push(code),
  });
  isBroken = true;
  capture.record("answer", { n: 1 });
  await t.rejects(capture.flush(), { code: "STORE_FAILED" });
  clock.advance(500);
  while (errors.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.same(errors, ["STORE_FAILED"]);
  isBroken = false;
  capture.record("answer", { n: 2 });
  await capture.close();
  const again = await opened(inner);
  const seen: unknown[] = [];
  for await (const { fields } of again.read("mastery")) seen.push(fields.n);
  t.same(seen, [1, 2]);
  await again.close();
});

t.test("after a crash in the middle of writing a segment anew no event is there twice", async (t) => {
  const inner = memoryStore();
  const deaf: DeviceStore = { ...inner, delete: async () => {} };
  const capture = await opened(deaf);
  for (let n = 0; n < 3; n++) {
    capture.record("answer", { n });
    await capture.flush();
  }
  t.equal((await inner.keys("events/mastery/")).length, 3, "former segments were not deleted");
  const again = await opened(inner);
  const seen: unknown[] = [];
  for await (const { fields } of again.read("mastery")) seen.push(fields.n);
  t.same(seen, [0, 1, 2]);
  t.equal((await inner.keys("events/mastery/")).length, 1);
  await again.close();
});

t.test("followers hear what their purpose gets; one that fails is reported and holds nobody up", async (t) => {
  const errors: unknown[] = [];
  const capture = await Capture.open({
    registry,
    store: memoryStore(),
    gate: gateOf(["messages"]),
    clock: new ManualClock(),
    onError: (error) => errors.push(error.cause),
  });
  const heard: unknown[] = [];
  const failure = new Error("a follower");
  capture.follow("messages", () => {
    throw failure;
  });
  const end = capture.follow("messages", ({ type, fields }) => heard.push([type, fields]));
  capture.follow("mastery", () => heard.push("without consent"));
  capture.record("answer", { n: 1, skill: "a" });
  end();
  capture.record("view", {});
  t.same(heard, [["answer", { n: 1 }]]);
  t.same(errors, [failure, failure]);
  await capture.close();
});

t.test("damaged segments and foreign keys are named, without what they hold", async (t) => {
  const store = memoryStore();
  await store.put("events/mastery/000000000000.0.1.9999999999999", new TextEncoder().encode("[secret"));
  const capture = await opened(store);
  const reading = (async () => {
    for await (const event of capture.read("mastery")) t.fail(event.type);
  })();
  await t.rejects(reading, { code: "LOG_CORRUPT", cause: undefined });
  await store.put("events/mastery/foreign", new Uint8Array(1));
  await t.rejects(opened(store), { code: "LOG_CORRUPT" });
});

t.test("what lies under a purpose that the registry no longer has is deleted", async (t) => {
  const store = memoryStore();
  await store.put("events/advertising/000000000000.0.1.9999999999999", new Uint8Array(1));
  await store.put("other", new Uint8Array(1));
  const capture = await opened(store);
  t.same(await store.keys(""), ["other"]);
  await capture.close();
});

t.test("options, purposes and calls after the end are checked", async (t) => {
  const store = memoryStore();
  const gate = gateOf(registry.purposes);
  await t.rejects(Capture.open({ registry, store, gate, capacity: 0 }), { code: "BAD_OPTION" });
  await t.rejects(Capture.open({ registry, store, gate, batchMs: Number.NaN }), { code: "BAD_OPTION" });
  const capture = await opened(store);
  t.throws(() => capture.count("advertising"), { code: "BAD_OPTION" });
  t.throws(() => capture.follow("advertising", () => {}), { code: "BAD_OPTION" });
  await capture[Symbol.asyncDispose]();
  await capture.close();
  t.throws(() => capture.record("view", {}), { code: "CLOSED" });
});
