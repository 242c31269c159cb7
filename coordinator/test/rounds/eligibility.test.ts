import { type ConsentRecord, eligibleRoot, formatDecimal } from "@fedloop/consent";
import { type DpEvent, epsilonOf } from "@fedloop/privacy";
import t, { type Test } from "tap";
import type { Ledger } from "../../src/ledger/ledger.js";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { type EligibilityQuestion, type Eligible, eligibleParticipants } from "../../src/rounds/eligibility.js";
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
  t.equal(eligible.count, 2);
  t.equal(eligible.root, eligibleRoot([here.subject, gone.subject]));
  t.equal(eligible.treeSize, 4);
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
  const { members, count } = await ask([enough, tooLittle, strict, lax]);
  t.same([...members.keys()], [enough.subject]);
  t.equal(count, 4, "auditors know nothing of anyone's history: all of them consent");
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
  t.equal(eligible.root, eligibleRoot(ledger.view.eligible(POPULATION, PURPOSE, undefined, 3)));
});

t.test("for a plan that is in the log already, later consents do not count", async (t) => {
  const { give, ask } = await start(t);
  const [early, late] = [new TestDevice(1), new TestDevice(2)];
  await give(early);
  await give(late);
  const eligible = await ask([early, late], { treeSize: 2 });
  t.same([...eligible.members], [[early.subject, 1]]);
  t.equal(eligible.count, 1);
});
