import { type DpEvent, epsilonOf } from "@fedloop/privacy";
import fc from "fast-check";
import t, { type Test } from "tap";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import type { Schedule } from "../../src/rounds/schedule.js";
import { type PlanChanges, testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

async function schedule(t: Test, changes: PlanChanges): Promise<Schedule> {
  return buildSchedule((await testPlan(temporaryFolder(t), changes)).plan, 1);
}

function totalEpsilon({ rounds }: Schedule, delta: number): number {
  const events: DpEvent[] = rounds.map(({ event }) => event);
  return epsilonOf({ type: "Composed", events }, delta, "rdp").epsilon;
}

const TARGET = { mechanism: "central-discrete-gaussian", clipNorm: 1, epsilon: 2, delta: 1e-5, bits: 18 };

t.test("all rounds of a plan together cost what it aims for, and not a bit more", async (t) => {
  const evaluation = fc.option(
    fc.record({ every: fc.integer({ min: 1, max: 6 }), budgetShare: fc.constantFrom(0.05, 0.2, 0.5) }),
    { nil: undefined },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 6, max: 30 }),
      fc.constantFrom(0.5, 2, 8),
      evaluation,
      async (rounds, epsilon, evaluates) => {
        const plan = await schedule(t, {
          rounds,
          privacy: { ...TARGET, epsilon },
          ...(evaluates === undefined ? {} : { evaluation: { metric: "mean", length: 2, ...evaluates } }),
        });
        const spent = totalEpsilon(plan, 1e-5);
        return spent <= epsilon && spent > 0.98 * epsilon;
      },
    ),
    { seed: 21, numRuns: 12 },
  );
});

t.test("a noise multiplier that the plan names holds for every round", async (t) => {
  const privacy = { mechanism: "central-discrete-gaussian", clipNorm: 2, noiseMultiplier: 1.5, bits: 18 };
  const plan = await schedule(t, { rounds: 3, privacy, policy: { epsilon: 100, delta: 1e-5 } });
  for (const { mechanism } of plan.rounds) t.match(mechanism, { noiseMultiplier: 1.5, clipNorm: 2 });
});

t.test("evaluations come after every so many training rounds, and after the last", async (t) => {
  const plan = await schedule(t, { rounds: 5, evaluation: { metric: "mean", every: 2, length: 2 } });
  t.same(
    plan.rounds.map(({ kind }) => kind),
    ["train", "train", "evaluate", "train", "train", "evaluate", "train", "evaluate"],
  );
});

t.test("without a mechanism updates travel as floats; with one as integers that its noise is made for", async (t) => {
  const [plain] = (await schedule(t, {})).rounds;
  t.match(plain, { mechanism: null, format: { encoding: "float32", length: 3 }, event: { type: "NonPrivate" } });
  const [noised] = (await schedule(t, { privacy: TARGET })).rounds;
  t.equal(noised?.format.encoding, "quantised");
  t.same(noised?.format.quantisation, noised?.mechanism?.quantisation);
});

t.test("a participant's cap is the population's unless the plan sets a lower one", async (t) => {
  t.same((await schedule(t, { privacy: TARGET })).participantCap, { epsilon: 2, rounds: Infinity });
  const limited = await schedule(t, { privacy: TARGET, participantLimits: { epsilon: 1, rounds: 7 } });
  t.same(limited.participantCap, { epsilon: 1, rounds: 7 });
});

t.test("tuning, training and evaluation together cost what the plan aims for, each by its share", async (t) => {
  const votes = { kind: "votes", table: "tuning", candidate: "name", loss: "error", candidates: ["a", "b"] };
  const analytics = {
    when: "before",
    budgetShare: 0.3,
    queries: [
      { name: "tuning", ask: votes, weight: 2 },
      { name: "size", ask: { kind: "count", table: "tuning" }, times: 2 },
    ],
  };
  const plan = await schedule(t, { rounds: 3, privacy: TARGET, analytics, evaluation: { metric: "mean", length: 2 } });
  t.same(
    plan.rounds.map(({ kind, query }) => query?.name ?? kind),
    ["tuning", "size", "size", "train", "train", "train", "evaluate"],
  );
  const spent = totalEpsilon(plan, 1e-5);
  t.ok(spent <= 2 && spent > 1.96, `ε ${spent}`);
  const cost = (name: string): number =>
    plan.rounds
      .filter(({ query, kind }) => (query?.name ?? kind) === name)
      .reduce((sum, { mechanism }) => sum + 1 / (mechanism?.noiseMultiplier ?? 0) ** 2, 0);
  const all = ["tuning", "size", "train", "evaluate"].map(cost);
  const whole = all.reduce((sum, each) => sum + each, 0);
  const shares = all.map((each) => Math.round((1_000 * each) / whole));
  t.same(shares, [150, 150, 600, 100]);
  const { rounds } = await schedule(t, { rounds: 1, analytics: { ...analytics, when: "after" } });
  t.equal(rounds[0]?.kind, "train");
});
