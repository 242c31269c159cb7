import { join } from "node:path";
import { generateNodeSigner } from "@fedloop/consent/node";
import t from "tap";
import { withdrawalLatency } from "../../src/server/withdrawal-latency.js";
import { openSqliteReader } from "../../src/store/sqlite-reader.js";
import { floatUpdate, RawDevice, refusal, submissionOf } from "../rpc/raw-device.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer, HeldTrainer, TERMS } from "../server/people.js";
import { POPULATION, PURPOSE } from "../server/plans.js";

/** Two of three are enough; a selection waits long enough for the third on a busy machine. */
const TWO_OF_THREE = {
  cohort: { target: 3, minimum: 2, overSelection: 1 },
  deadlines: { selection: "5s", report: "5m" },
};

t.test(
  "who withdraws after its update was counted has the round abandoned, and the next one runs without it",
  async (t) => {
    const federation = await Federation.open(t, { plan: TWO_OF_THREE });
    const held = new HeldTrainer(4);
    const leaver = await federation.join({ trainer: new ConstantTrainer(100) });
    const people = await Promise.all([held, new ConstantTrainer(2)].map((trainer) => federation.join({ trainer })));
    const parts = people.map((person) => federation.takePart(person));
    const running = federation.run();
    let withdrawal: Promise<void> | undefined;
    for await (const event of leaver.run({ signal: federation.signal })) {
      if (event.type === "accepted") withdrawal = leaver.withdraw();
    }
    await withdrawal;
    t.match(
      await federation.notice(({ state }) => state === "abandoned"),
      { round: 1, reason: "CONSENT_WITHDRAWN" },
      "the withdrawal is in the log only when the sum is gone",
    );
    held.letGo();
    await running;
    await Promise.all(parts);
    t.same(await federation.model(), [2, 2, 2], "(4 + 2) / 3, the plan's divisor");
    t.same(await federation.cohorts(), new Map([[2, people.map(({ subject }) => subject).sort()]]));
    const report = await federation.audit();
    t.same(report.findings, []);
    t.match(report.rounds, { planned: 2, completed: 1, abandoned: 1 });
    t.match(report.consents, { withdrawals: 1 });
  },
);

t.test("who withdraws before it has handed in costs the others nothing", async (t) => {
  const federation = await Federation.open(t, { plan: TWO_OF_THREE });
  const held = new HeldTrainer(100);
  const leaver = await federation.join({ trainer: held });
  const people = await Promise.all([1, 2].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const parts = [leaver, ...people].map((person) => federation.takePart(person));
  const running = federation.run();
  await held.begun;
  await leaver.withdraw();
  await running;
  await Promise.all(parts);
  t.same(await federation.model(), [1, 1, 1]);
  t.same(await federation.cohorts(), new Map([[1, people.map(({ subject }) => subject).sort()]]));
  t.same((await federation.audit()).findings, []);
});

t.test("who withdraws while the sum is being released is in the log after the round's close", async (t) => {
  let withdrawal: Promise<void> | undefined;
  let withdraw = (): Promise<void> => Promise.resolve();
  const federation = await Federation.open(t, {
    onNotice: (_population, { state }) => {
      if (state === "aggregated") withdrawal = withdraw();
    },
  });
  const leaver = await federation.join({ trainer: new ConstantTrainer(1) });
  withdraw = () => leaver.withdraw();
  const people = await Promise.all([2, 3].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const parts = [leaver, ...people].map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  await withdrawal;
  const { withdrawalLatency: latency } = await federation.audit();
  t.equal(latency.withdrawals, 1);
  t.ok(latency.longestMs >= 0 && latency.longestMs < 60_000, "measured from the decision to the debit of this round");
  await using reader = openSqliteReader(join(federation.folder, "fedloop.sqlite"));
  t.same(await withdrawalLatency(reader, POPULATION), latency, "status and auditor say the same");
  t.same(await federation.model(), [2, 2, 2]);
  const [close] = await federation.entries("round.close");
  t.match(close, { body: { outcome: "completed" } });
  t.equal((await federation.entries("consent.withdrawn")).length, 1);
  t.same((await federation.audit()).findings, []);
});

t.test("a join that races the same device's withdrawal does not get past it", async (t) => {
  const federation = await Federation.open(t);
  const racer = await RawDevice.enter(federation.transport);
  await Promise.all([federation.join(), federation.join()]);
  const running = federation.run();
  await federation.notice(({ state }) => state === "selecting");
  const { population } = federation;
  const device = await federation.coordinator.registry.find(racer.deviceId);
  if (device === undefined) throw new Error("expected the device to be registered");
  const { round, plan, signature } = racer.joinOf(await racer.offer());
  const join = { round: Number(round), plan, signature };
  await Promise.allSettled([population.join(device, join), population.beforeWithdrawal(device)]);
  t.match(population.checkIn(device), { type: "idle" });
  await t.rejects(population.join(device, join), { code: "NO_CONSENT" });
  const update = submissionOf(floatUpdate(1, 1, 1));
  t.throws(() => population.submit(device, 1, update), { code: "NOT_IN_ROUND" });
  await federation.close();
  await running;
});

t.test("a device whose key is not the one that its consent names takes no part", async (t) => {
  const federation = await Federation.open(t);
  const racer = await RawDevice.enter(federation.transport);
  await Promise.all([federation.join(), federation.join()]);
  const running = federation.run();
  await federation.notice(({ state }) => state === "selecting");
  const device = await federation.coordinator.registry.find(racer.deviceId);
  if (device === undefined) throw new Error("expected the device to be registered");
  const other = { ...device, publicKey: generateNodeSigner().publicKey };
  t.throws(() => federation.population.checkIn(other), { code: "NO_CONSENT" });
  t.match(federation.population.checkIn(device), { type: "offer" });
  await federation.close();
  await running;
});

t.test("a refusal after a consent counts like a withdrawal", async (t) => {
  const federation = await Federation.open(t, { plan: TWO_OF_THREE });
  const held = new HeldTrainer(4);
  let answer = true;
  const leaver = await federation.join({ consent: { ...TERMS, decide: () => answer } });
  const people = await Promise.all([held, new ConstantTrainer(2)].map((trainer) => federation.join({ trainer })));
  const parts = people.map((person) => federation.takePart(person));
  const running = federation.run();
  for await (const event of leaver.run({ signal: federation.signal })) {
    if (event.type === "accepted") break;
  }
  answer = false;
  await leaver.ask(PURPOSE);
  t.match(await federation.notice(({ state }) => state === "abandoned"), { round: 1, reason: "CONSENT_WITHDRAWN" });
  held.letGo();
  await running;
  await Promise.all(parts);
  t.same(await federation.cohorts(), new Map([[2, people.map(({ subject }) => subject).sort()]]));
  t.same((await federation.audit()).findings, []);
});

t.test("a withdrawal that comes when a restarted coordinator is about to release its sum waits for that", async (t) => {
  let closing: Promise<void> | undefined;
  let stop = (): Promise<void> => Promise.resolve();
  const first = await Federation.open(t, {
    onNotice: (_population, { state }) => {
      if (state === "aggregated") closing = stop();
    },
  });
  stop = () => first.close();
  const devices = await Promise.all([1, 2, 3].map(() => RawDevice.enter(first.transport)));
  const running = first.run();
  await first.notice(({ state }) => state === "selecting");
  for (const device of devices) await device.join();
  await first.notice(({ state }) => state === "masked");
  await Promise.all(devices.map((device) => device.submit(1, floatUpdate(1, 2, 3))));
  await running;
  await closing;
  t.notOk(
    first.notices.some(({ state }) => state === "released"),
    "a coordinator that is closed goes no further",
  );

  const second = await Federation.open(t, { dataDir: first.folder });
  const [leaver] = devices;
  if (leaver === undefined) throw new Error("expected three devices");
  leaver.transport = second.transport;
  const withdrawal = await leaver.consent("withdrawn");
  await t.rejects(leaver.record(withdrawal), refusal("RETRY"), "nobody drives the round yet");
  const resuming = second.run();
  await second.notice(({ state }) => state === "released");
  await leaver.record(withdrawal);
  await resuming;
  t.same(await second.model(), [1, 2, 3]);
  const [close] = await second.entries("round.close");
  t.match(close?.body, { round: 1, outcome: "completed", cohort: { size: 3 } });
  t.same((await second.audit()).findings, []);
});
