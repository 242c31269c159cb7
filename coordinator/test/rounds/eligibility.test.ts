import { type ConsentRecord, eligibleRoot, formatDecimal } from "@fedloop/consent";
import { type DpEvent, epsilonOf } from "@fedloop/privacy";
import t, { type Test } from "tap";
import type { Ledger } from "../../src/ledger/ledger.js";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import {
  commitTo,
  type EligibilityQuestion,
  type Eligible,
  eligibleParticipants,
} from "../../src/rounds/eligibility.js";
import { ParticipantBudgets } from "../../src/rounds/participant-budgets.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { openLedger, POPULATION, PURPOSE, policyBody, TestDevice } from "../ledger/fixture.js";
import { centralNoise, testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

const EVENT: DpEvent = { type: "Gaussian", noiseMultiplier: 1 };
const COST = { event: EVENT, run: null };
const LIMITS: ConsentRecord["limits"] = { epsilon: null, delta: null, rounds: null };

interface Started {
  readonly ledger: Ledger;
  readonly give: (device: TestDevice, changes?: Partial<ConsentRecord>) => Promise<void>;
  readonly ask: (devices: readonly TestDevice[], changes?: Partial<EligibilityQuestion>) => Promise<Eligible>;
}

async function start(t: Test): Promise<Started> {
  const store = await openSqliteStore(":memory:");
  const ledger = await openLedger(store);
  t.teardown(async () => {
    await ledger.close();
    await store.close();
  });
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  const { plan } = await testPlan(temporaryFolder(t), centralNoise(1, 100));
  const schedule = buildSchedule(plan, 1);
  return {
    ledger,
    give: async (device, changes = {}) => {
      const entry = await device.consent("given", changes);
      await ledger.commit((tx) => tx.appendSigned(entry));
    },
    ask: (devices, changes = {}) =>
      eligibleParticipants({
        registry: { subjects: async () => devices.map(({ subject }) => subject) },
        ledger,
        budgets: new ParticipantBudgets(),
        schedule,
        cost: COST,
        clock: { now: () => 1_700_000_000_000 },
        ...changes,
      }),
  };
}

function epsilon(delta: number): number {
  return epsilonOf(EVENT, delta, "rdp").epsilon;
}

t.test("who is registered and consents is a member; who consents only is in the commitment", async (t) => {
  const { ledger, give, ask } = await start(t);
  const [here, gone, refusing] = [new TestDevice(1), new TestDevice(2), new TestDevice(3)];
  await give(here);
  await give(gone);
  await ledger.commit(async (tx) => tx.appendSigned(await refusing.consent("refused")));
  const eligible = await ask([here, refusing]);
  t.same([...eligible.members], [[here.subject, 1]]);
  const root = eligibleRoot([here.subject, gone.subject]);
  t.same(await commitTo(eligible), { treeSize: 4, count: 2, root });
});

t.test("a participant's own limits hold at its own δ, and never above the population's", async (t) => {
  const { give, ask } = await start(t);
  const [enough, tooLittle, strict, lax] = [1, 2, 3, 4].map((number) => new TestDevice(number));
  if (!enough || !tooLittle || !strict || !lax) throw new Error("expected four devices");
  await give(enough, { limits: { ...LIMITS, epsilon: String(epsilon(1e-5) + 0.01) } });
  await give(tooLittle, { limits: { ...LIMITS, epsilon: String(epsilon(1e-5) - 0.01) } });
  await give(strict, { limits: { ...LIMITS, epsilon: String(epsilon(1e-5) + 0.01), delta: formatDecimal(1e-7) } });
  // A δ above the population's would make the same ε mean less; the population's holds.
  await give(lax, { limits: { ...LIMITS, epsilon: String(epsilon(1e-5) - 0.01), delta: "0.01" } });
  const { members, consenting } = await ask([enough, tooLittle, strict, lax]);
  t.same([...members.keys()], [enough.subject]);
  t.equal(consenting.length, 4, "auditors know nothing of anyone's history: all of them consent");
});

t.test("a number of rounds is counted, not guessed", async (t) => {
  const { give, ask } = await start(t);
  const device = new TestDevice(1);
  await give(device, { limits: { ...LIMITS, rounds: 2 } });
  const budgets = new ParticipantBudgets();
  for (const expected of [1, 1, 0]) {
    t.equal((await ask([device], { budgets })).members.size, expected);
    budgets.debit(COST, [device.subject]);
  }
});

t.test("a consent that ends in time is none after it", async (t) => {
  const { give, ask } = await start(t);
  const device = new TestDevice(1);
  const time = 1_700_000_000_000;
  await give(device, { event: { time, validUntil: time + 10, state: "given" } });
  t.equal((await ask([device], { clock: { now: () => time + 9 } })).members.size, 1);
  t.equal((await ask([device], { clock: { now: () => time + 10 } })).members.size, 0);
});

t.test("size and consents are of the same log, however it grows while the devices are looked up", async (t) => {
  const { ledger, give, ask } = await start(t);
  const [early, late] = [new TestDevice(1), new TestDevice(2)];
  await give(early);
  const registry = {
    subjects: async () => {
      await give(late);
      return [early.subject, late.subject];
    },
  };
  const eligible = await ask([], { registry });
  t.equal(eligible.treeSize, 3);
  t.same([...eligible.members.values()], [1, 2]);
  t.same(eligible.consenting, ledger.view.eligible(POPULATION, PURPOSE, undefined, 3));
});

t.test("for a plan that is in the log already, later consents do not count", async (t) => {
  const { give, ask } = await start(t);
  const [early, late] = [new TestDevice(1), new TestDevice(2)];
  await give(early);
  await give(late);
  const eligible = await ask([early, late], { treeSize: 2 });
  t.same([...eligible.members], [[early.subject, 1]]);
  t.equal(eligible.consenting.length, 1);
});

t.test("many are looked at in slices, and whatever the log says meanwhile, the answer is of one tree", async (t) => {
  const { ledger, give, ask } = await start(t);
  const devices = Array.from({ length: 40 }, (_, number) => new TestDevice(number + 1));
  for (const device of devices) await give(device);
  const treeSize = ledger.view.size;
  const [last] = devices.slice(-1);
  if (last === undefined) throw new Error("expected a device");
  let withdrawal: Promise<unknown> | undefined;
  let ms = 0;
  /** Each look at a participant takes a millisecond, so that a handful of them fit into a turn. */
  const nowMs = (): number => {
    withdrawal ??= last.consent("withdrawn").then((entry) => ledger.commit((tx) => tx.appendSigned(entry)));
    return ++ms;
  };
  const counting = new TurnCounter();
  const eligible = await ask(devices, { nowMs });
  t.ok(counting.turns >= 8, `two looks at 40, in ${counting.turns} turns`);
  counting.turns = 0;
  const commitment = await commitTo(eligible, nowMs);
  t.ok(counting.turns >= 4, `40 hashes, in ${counting.turns} turns`);
  counting.stop();
  await withdrawal;
  t.equal(ledger.view.size, treeSize + 1, "the withdrawal is in the log");
  const expected = ledger.view.eligible(POPULATION, PURPOSE, undefined, treeSize);
  t.same(commitment, { treeSize, count: 40, root: eligibleRoot(expected) });
  t.equal(eligible.members.size, 40);
});

t.test("the answer says how long it is true: until the first consent of them ends", async (t) => {
  const { give, ask } = await start(t);
  const time = 1_700_000_000_000;
  const devices = [30, 20, null].map((ms, number) => ({ ms, device: new TestDevice(number + 1) }));
  for (const { ms, device } of devices) {
    await give(device, { event: { time, validUntil: ms === null ? null : time + ms, state: "given" } });
  }
  t.equal((await ask([])).untilMs, time + 20, "those too who are not registered: the plan names them");
  t.equal((await ask([], { clock: { now: () => time + 20 } })).untilMs, time + 30);
  t.equal((await ask([], { clock: { now: () => time + 30 } })).untilMs, Number.POSITIVE_INFINITY);
});

t.test("a clock that is behind the log counts as the log's time, by which auditors judge", async (t) => {
  const { ledger, give, ask } = await start(t);
  const device = new TestDevice(1);
  const time = 1_700_000_000_000;
  await give(device, { event: { time: time - 9, validUntil: time, state: "given" } });
  t.equal(ledger.lastTimeMs, time);
  t.same((await ask([device], { clock: { now: () => time - 5 } })).consenting, []);
});

/** Counts the turns of the event loop. */
class TurnCounter {
  turns = 0;
  #next = setImmediate(() => this.#count());

  #count(): void {
    this.turns += 1;
    this.#next = setImmediate(() => this.#count());
  }

  stop(): void {
    clearImmediate(this.#next);
  }
}
