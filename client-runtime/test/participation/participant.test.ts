import { generateNodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { memoryStore, type ParticipationEvent } from "../../src/index.js";
import { start, TERMS, take, testTrainer } from "../coordinator/participants.js";
import { PURPOSE } from "../coordinator/plans.js";
import { Told } from "../coordinator/told.js";

const isEnd = ({ type }: ParticipationEvent): boolean => type === "released" || type === "abandoned";

function types(events: readonly ParticipationEvent[]): string[] {
  return events.map(({ type }) => type).filter((type) => type !== "waiting" && type !== "training");
}

t.test("the participant is shown the exact notice, and the record carries its hash", async (t) => {
  const { coordinator, join } = await start(t);
  let shown = "";
  const participant = await join({
    consent: {
      ...TERMS,
      decide: (notice) => {
        shown = new TextDecoder().decode(notice.bytes);
        return true;
      },
    },
  });
  t.match(shown, /They stay with you/);
  t.ok(coordinator.permits(participant.subject));
  t.equal(participant.consents[PURPOSE]?.index, 1);
});

t.test("a notice other than the policy's is not shown", async (t) => {
  const { coordinator, join } = await start(t);
  coordinator.lies.notice = new TextEncoder().encode("Nothing to worry about.");
  let isShown = false;
  const decide = (): boolean => {
    isShown = true;
    return true;
  };
  await t.rejects(join({ consent: { ...TERMS, decide } }), { code: "BAD_RECEIPT" });
  t.notOk(isShown);
});

t.test("a refusal is recorded, and its participant cannot run", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const participant = await join({ consent: { ...TERMS, decide: () => false } });
  t.same(coordinator.consents(), ["consent.refused"]);
  await t.rejects(take(participant.run()), { code: "CONSENT_REFUSED" });
});

t.test("who refused can be asked again", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  let answer = false;
  const participant = await join({ consent: { ...TERMS, decide: () => answer } });
  answer = true;
  await participant.ask(PURPOSE);
  t.same(coordinator.consents(), ["consent.refused", "consent.given"]);
  t.same(types(await take(participant.run())), ["masked", "accepted", "released"]);
});

t.test("a purpose that the policy does not have is an error of the app's", async (t) => {
  const { join } = await start(t);
  await t.rejects(join({ consent: { ...TERMS, purposes: ["advertising"] } }), { code: "BAD_OPTION" });
});

t.test("a new process with the same store and signer resumes: nothing is asked or enrolled again", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}, {}] });
  const store = memoryStore();
  const signer = generateNodeSigner();
  const first = await join({ store, signer });
  await take(first.run(), isEnd);
  const second = await join({ store, signer, consent: { ...TERMS, decide: () => t.fail("asked again") } });
  t.equal(second.subject, first.subject);
  await take(second.run(), isEnd);
  t.equal((await second.budget()).rounds, 2);
  t.equal(coordinator.calls.filter((call) => call === "Enroll").length, 1);
  t.same(coordinator.consents(), ["consent.given"]);
});

t.test("a changed policy asks again", async (t) => {
  const { coordinator, join } = await start(t);
  const store = memoryStore();
  const signer = generateNodeSigner();
  await join({ store, signer });
  coordinator.policy = 2;
  await coordinator.publishPolicy();
  await join({ store, signer });
  t.same(coordinator.consents(), ["consent.given", "consent.given"]);
});

t.test("a device that lost its store continues the chain of its own entries", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const signer = generateNodeSigner();
  const first = await join({ signer });
  const second = await join({ signer });
  t.equal(second.subject, first.subject);
  t.same(coordinator.consents(), ["consent.given", "consent.given"]);
  t.same(types(await take(second.run())), ["masked", "accepted", "released"]);
});

t.test("another signer than the store's is refused before anything is sent", async (t) => {
  const { coordinator, join } = await start(t);
  const store = memoryStore();
  await join({ store });
  const before = coordinator.calls.length;
  await t.rejects(join({ store }), { code: "BAD_OPTION" });
  t.equal(coordinator.calls.length, before);
});

t.test("a log other than the pinned one is refused", async (t) => {
  const { coordinator, join } = await start(t);
  const { origin, verifierKey } = coordinator.log;
  await t.rejects(join({ trust: { log: { origin: "other.example/log", verifierKey } } }), { code: "LOG_MISMATCH" });
  await t.rejects(join({ trust: { operatorKey: generateNodeSigner().publicKey } }), { code: "LOG_MISMATCH" });
  const { operator } = coordinator.log;
  await t.resolves(join({ trust: { log: { origin, verifierKey }, operatorKey: operator.publicKey } }));
});

t.test("withdrawal aborts a training under way, sends nothing, and is in the log when it is done", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}, {}] });
  let aborted = false;
  const participant = await join({
    trainer: testTrainer({
      train: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            reject(new Error("stopped"));
          });
        }),
    }),
  });
  const events: ParticipationEvent[] = [];
  let withdrawal: Promise<void> | undefined;
  for await (const event of participant.run()) {
    events.push(event);
    if (event.type === "training") {
      withdrawal = participant.withdraw();
      t.ok(aborted, "before the call returned");
    }
  }
  await withdrawal;
  t.match(events.at(-1), { type: "abandoned", round: 1, reason: "GUARD_WITHDRAWN" });
  t.equal(coordinator.updates.get(1)?.size, 0);
  t.notOk(coordinator.permits(participant.subject));
  t.equal((await participant.budget()).rounds, 0);
});

t.test("a withdrawal holds here when the coordinator cannot be reached, and is sent with the next join", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const store = memoryStore();
  const signer = generateNodeSigner();
  const participant = await join({ store, signer });
  coordinator.lies.beforeCall = (path) => {
    if (path.endsWith("RecordConsent")) throw new Told("cut", { breaksConnection: true });
  };
  await t.rejects(participant.withdraw(), { code: "UNAVAILABLE" });
  await t.rejects(take(participant.run()), { code: "CONSENT_REFUSED" });
  t.ok(coordinator.permits(participant.subject), "the log does not know yet");
  delete coordinator.lies.beforeCall;
  await join({ store, signer });
  t.notOk(coordinator.permits(participant.subject));
});

t.test("a withdrawal that the coordinator refuses holds here all the same", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const participant = await join();
  coordinator.lies.beforeCall = (path) => {
    if (path.endsWith("RecordConsent")) throw coordinator.told("BAD_ENTRY");
  };
  await t.rejects(participant.withdraw(), { code: "REMOTE", remoteCode: "BAD_ENTRY" });
  await t.rejects(take(participant.run()), { code: "CONSENT_REFUSED" });
});

t.test("an abandoned round is told, and the next one is taken part in", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}, {}], target: 2 });
  const participant = await join();
  const events: ParticipationEvent[] = [];
  coordinator.lies.beforeCall = (path) => {
    if (path.endsWith("Watch")) setImmediate(() => coordinator.abandon("COHORT_TOO_SMALL"));
  };
  for await (const event of participant.run()) {
    events.push(event);
    if (event.type === "abandoned") break;
  }
  t.match(events.at(-1), { round: 1, reason: "COHORT_TOO_SMALL" });
});

t.test("what was counted for a round that the log shows abandoned is given back when it is needed", async (t) => {
  const decide = () => ({ given: true, limits: { rounds: 1 } });
  const { coordinator, join } = await start(t, { rounds: [{}, {}], target: 1 });
  const participant = await join({ consent: { ...TERMS, decide } });
  let isFirst = true;
  coordinator.lies.beforeCall = (path) => {
    if (!path.endsWith("SubmitMasked") || !isFirst) return;
    isFirst = false;
    void coordinator.crowd(70).then(() => coordinator.abandon());
    throw coordinator.told("WRONG_STATE");
  };
  const events = await take(participant.run(), ({ type }) => type === "released");
  t.same(types(events), ["masked", "abandoned", "masked", "accepted", "released"]);
  t.equal(coordinator.calls.filter((name) => name === "GetInclusionProof").length, 1, "however long the log is since");
  t.equal((await participant.budget()).rounds, 1);
});

t.test("what was counted for a round that the log shows completed stays counted", async (t) => {
  const decide = () => ({ given: true, limits: { rounds: 1 } });
  const { join } = await start(t, { rounds: [{}, {}] });
  const participant = await join({ consent: { ...TERMS, decide } });
  const events = await take(participant.run(), ({ type }) => type === "refused");
  t.match(events.at(-1), { type: "refused", round: 2, code: "GUARD_BUDGET" });
  t.equal((await participant.budget()).rounds, 1);
});

t.test("an expired session is opened again, and the call repeated", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const participant = await join();
  coordinator.expireSessions();
  t.same(types(await take(participant.run())), ["masked", "accepted", "released"]);
  t.equal(coordinator.calls.filter((call) => call === "Enroll").length, 2);
});

t.test("a device whose clock is wrong follows the coordinator's", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  coordinator.clockOffsetMs = 3_600_000;
  const participant = await join();
  t.same(types(await take(participant.run())), ["masked", "accepted", "released"]);
});

t.test("a coordinator that crashes while it selects, and comes back, gets its participants back", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}], target: 2 });
  const participant = await join();
  const other = await join();
  const run = take(participant.run());
  await coordinator.called("Watch");
  await coordinator.crash();
  await coordinator.resume();
  const [events] = await Promise.all([run, take(other.run())]);
  t.same(types(events), ["masked", "accepted", "released"]);
});

t.test("a coordinator that is away is waited for", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const participant = await join();
  await coordinator.crash();
  let isBack = false;
  const events: ParticipationEvent[] = [];
  for await (const event of participant.run()) {
    events.push(event);
    if (event.type === "waiting" && event.reason === "unreachable" && !isBack) {
      isBack = true;
      await coordinator.resume();
    }
  }
  t.same(types(events), ["masked", "accepted", "released"]);
});

t.test("an error of the trainer's abandons the round under its code and gives the place back", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const train = () => Promise.reject(new Error("no data"));
  const participant = await join({ trainer: testTrainer({ train }) });
  const events = await take(participant.run(), isEnd);
  t.match(events.at(-1), { type: "abandoned", reason: "TRAINER_FAILED" });
  await coordinator.called("Leave");
  t.same(coordinator.left, [{ round: 1, reason: "TRAINER_FAILED" }]);
});

for (const [what, update, reason] of [
  ["that is not finite", Float32Array.of(1, Number.NaN, 1, 1), "NON_FINITE"],
  ["of the wrong length", Float32Array.of(1, 1, 1), "WRONG_LENGTH"],
] as const) {
  t.test(`an update ${what} is not sent`, async (t) => {
    const { coordinator, join } = await start(t, { rounds: [{}] });
    const participant = await join({ trainer: testTrainer({ train: async () => ({ update: update.slice() }) }) });
    const events = await take(participant.run(), isEnd);
    t.match(events.at(-1), { type: "abandoned", reason });
    t.equal(coordinator.updates.get(1)?.size, 0);
  });
}

t.test("the app's signal ends a run, and the place in the round is given back", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}], target: 2 });
  const participant = await join();
  const controller = new AbortController();
  const run = take(participant.run({ signal: controller.signal }));
  await coordinator.called("Watch");
  controller.abort();
  t.same(types(await run), []);
  await coordinator.called("Leave");
  t.same(coordinator.left, [{ round: 1, reason: "ABORTED" }]);
});

t.test("one run at a time", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}], target: 2 });
  const participant = await join();
  const controller = new AbortController();
  const run = take(participant.run({ signal: controller.signal }));
  await coordinator.called("Watch");
  await t.rejects(take(participant.run()), { code: "BAD_OPTION" });
  controller.abort();
  await run;
});

t.test("export holds what the device knows, and nothing that the signer hides", async (t) => {
  const { join } = await start(t, { rounds: [{}] });
  const trainer = testTrainer({
    train: async ({ state, updateLength }) => {
      await state.put("taste", Uint8Array.of(1, 2, 3));
      return { update: new Float32Array(updateLength) };
    },
  });
  const participant = await join({ trainer });
  await take(participant.run());
  const exported = await participant.export({ local: true });
  t.match(exported, { population: "lecturers", subject: participant.subject, localState: { taste: "AQID" } });
  t.same(exported.receipts, participant.receipts());
  t.equal(exported.charges.length, 1);
});

t.test("who leaves is withdrawn, unregistered and erased from the device", async (t) => {
  const { coordinator, join } = await start(t);
  const store = memoryStore();
  const participant = await join({ store });
  await participant.leave();
  t.same(coordinator.consents(), ["consent.given", "consent.withdrawn"]);
  t.same(await store.keys(""), []);
  await t.rejects(participant.withdraw(), { code: "NOT_ENROLLED" });
});
