// Consent records at the coordinator: each field as the device sent it, what may not stand, expiry, and what is asked anew.
import { type ConsentTerms, type JoinOptions, memoryStore } from "@fedloop/client-runtime";
import { isConsentEntry, parseEntry, verifyReceipt } from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { Upkeep } from "../../src/ledger/upkeep.js";
import { Federation } from "../server/federation.js";
import { TERMS } from "../server/people.js";
import { POPULATION, PURPOSE } from "../server/plans.js";
import { RawDevice, refusal } from "./raw-device.js";

const EVERYTHING: ConsentTerms = {
  ...TERMS,
  dataCategories: ["lecture ratings", "course of study"],
  specialCategory: true,
  recipients: ["Example University", "Example Institute"],
  storage: "on the device in Zurich",
  retention: "until the end of the semester",
  jurisdiction: "CH",
  model: "opt-out",
  withdrawal: "settings, one tap",
  interface: "welcome screen 3",
  signals: { gpc: true },
  ageBand: "adult",
  decide: () => ({
    given: true,
    by: "subject",
    conflictConfirmed: true,
    validUntilMs: 4_000_000_000_000,
    limits: { epsilon: "2", delta: "0.00001", rounds: 3 },
  }),
};

t.test("a record holds every field as the app said it, one purpose, and the exact notice that was shown", async (t) => {
  const federation = await Federation.open(t);
  const person = await federation.join({ consent: EVERYTHING });
  const [policy] = await federation.entries("policy.publish");
  const [given] = await federation.entries("consent.given");
  const record = given?.body.record;
  if (record === undefined || policy === undefined) throw new Error("expected a consent and a policy");
  t.match(record, {
    subject: person.subject,
    population: POPULATION,
    purpose: PURPOSE,
    controller: "Example University",
    notice: { uri: policy.body.noticeUri, sha256: policy.body.notice, language: "en" },
    policy: 1,
    basis: "consent",
    dataCategories: EVERYTHING.dataCategories,
    specialCategory: true,
    recipients: EVERYTHING.recipients,
    storage: "on the device in Zurich",
    retention: "until the end of the semester",
    jurisdiction: "CH",
    model: "opt-out",
    withdrawal: "settings, one tap",
    event: { validUntil: 4_000_000_000_000, state: "given", actor: "subject" },
    interface: "welcome screen 3",
    signals: { gpc: true, conflictConfirmed: true },
    ageBand: "adult",
    limits: { epsilon: "2", delta: "0.00001", rounds: 3 },
    supersedes: null,
  });
  t.equal(Buffer.from(record.id, "base64url").length, 16);
  t.equal(Buffer.from(record.key, "base64url").length, 32);
  t.ok(Math.abs(record.event.time - Date.now()) < 600_000);
  t.equal(given?.enc, undefined, "without personal data there is nothing to encrypt");
  t.same((await federation.audit()).findings, []);
});

t.test(
  "what the device would not send the coordinator does not take: a minor's own yes, a yes against GPC",
  async (t) => {
    const federation = await Federation.open(t);
    const device = await RawDevice.enter(federation.transport, { consents: false });
    for (const [name, changes] of [
      ["a minor without guardian", { ageBand: "minor" }],
      ["a guardian who did not decide", { ageBand: "minor", guardian: "x".repeat(43) }],
      ["Global Privacy Control, not confirmed", { signals: { gpc: true } }],
      ["an end before its beginning", { event: { time: 2_000, validUntil: 1_000, state: "given" } }],
    ] as const) {
      await t.rejects(device.record(await device.consent("given", { record: changes })), refusal("BAD_ENTRY"), name);
    }
    t.equal(federation.coordinator.ledger.view.status(device.subject, PURPOSE).state, "none", "default is deny");
    for (const consent of [
      { ...TERMS, ageBand: "minor" },
      { ...TERMS, ageBand: "minor", guardian: "Carol" },
      { ...TERMS, signals: { gpc: true } },
    ] as const) {
      await t.rejects(federation.join({ consent }), { code: "CONSENT_REFUSED" }, "nor does the device send it");
    }
    t.equal((await federation.entries("consent.given")).length, 0);
  },
);

t.test("a consent that has ended permits nothing, and the log says that it has", async (t) => {
  let now = 1_700_000_000_000;
  const clock = { now: () => now };
  const federation = await Federation.open(t, { clock });
  const options: Partial<JoinOptions> = { clock: { now: clock.now, wait: async () => undefined } };
  const validUntilMs = now + 60_000;
  const ending = await federation.join({
    ...options,
    consent: { ...TERMS, decide: () => ({ given: true, validUntilMs }) },
  });
  const lasting = await federation.join(options);
  const { ledger } = federation.coordinator;
  const upkeep = new Upkeep({ ledger, clock, heartbeatMs: 3_600_000, onFault: (_, cause) => t.fail(String(cause)) });
  await upkeep.once();
  t.equal((await federation.entries("consent.expired")).length, 0);
  now = validUntilMs;
  t.same(ledger.view.eligible(POPULATION, PURPOSE, now), [lasting.subject]);
  await upkeep.once();
  await upkeep.once();
  const [expired, ...more] = await federation.entries("consent.expired");
  t.same(more, [], "once");
  t.match(expired, {
    actor: "coordinator",
    body: { record: { subject: ending.subject, event: { state: "expired" } } },
  });
  t.equal(ledger.view.status(ending.subject, PURPOSE).state, "expired");
  t.equal((await federation.entries("heartbeat")).length, 0, "the log was not silent");
  now += 2 * 3_600_000;
  await upkeep.once();
  t.equal((await federation.entries("heartbeat")).length, 1);
  await upkeep.close();
  t.same((await federation.audit()).findings, []);
});

t.test(
  "withdrawing takes as many calls as giving, holds before the next selection, and can be taken back",
  async (t) => {
    const federation = await Federation.open(t);
    const calls: string[] = [];
    const { transport } = federation;
    const person = await federation.join({
      transport: {
        serverStream: (...words) => transport.serverStream(...words),
        close: () => transport.close(),
        unary: (method, ...words) => {
          if (method.parent.name === "Consent") calls.push(method.name);
          return transport.unary(method, ...words);
        },
      },
    });
    t.same(calls.splice(0), ["GetNotice", "RecordConsent"]);
    await person.withdraw();
    t.same(calls, ["RecordConsent"]);
    const { view } = federation.coordinator.ledger;
    t.same(view.eligible(POPULATION, PURPOSE), []);
    await person.ask(PURPOSE);
    t.same(view.eligible(POPULATION, PURPOSE), [person.subject]);
    for (const { proof } of person.receipts()) {
      const trust = { vkey: federation.coordinator.verifierKey };
      const entry = parseEntry((await verifyReceipt(proof ?? "", trust, nodeVerifier())).entry);
      t.ok(isConsentEntry(entry) && entry.actor === person.subject, "each receipt verifies offline");
    }
    t.equal(person.receipts().length, 3);
  },
);

t.test("a changed policy asks again, and until the answer nothing is permitted", async (t) => {
  const first = await Federation.open(t);
  const asked: number[] = [];
  const consent: ConsentTerms = {
    ...TERMS,
    decide: ({ policy }) => {
      asked.push(policy);
      return true;
    },
  };
  const device = { store: memoryStore(), signer: generateNodeSigner(), consent };
  const person = await first.join(device);
  await first.close();
  const changed = await Federation.open(t, { dataDir: first.folder, plan: { controller: "Another University" } });
  t.equal(changed.coordinator.ledger.view.status(person.subject, PURPOSE).state, "expired");
  await changed.join(device);
  t.same(asked, [1, 2]);
  t.equal(changed.coordinator.ledger.view.permits(person.subject, PURPOSE), true);
  t.same((await changed.audit()).findings, []);
});
