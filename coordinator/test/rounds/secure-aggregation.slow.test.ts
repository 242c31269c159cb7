// Rounds under secure aggregation, over real gRPC: the coordinator sees masked vectors and their sum.
import { type JoinOptions, memoryStore, type Participant, type ParticipationEvent } from "@fedloop/client-runtime";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t, { type Test } from "tap";
import type { RoundNotice } from "../../src/rounds/engine.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { centralNoise, type PlanChanges } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { type Step, stoppingBefore } from "./stopping.js";

t.setTimeout(240_000);

const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });

const NO_NOISE = { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 };

/** Twenty participants in one group of which six may go, unless changed. */
function securePlan(changes: PlanChanges = {}): PlanChanges {
  return {
    cohort: { target: 20, minimum: 14, overSelection: 1 },
    deadlines: { selection: "20s", report: "3s" },
    privacy: NO_NOISE,
    secureAggregation: { enabled: true },
    ...changes,
  };
}

/** Person i trains to i − 7, in quarters: every sum is exact. */
function trainedBy(person: number): number {
  return (person - 7) / 4;
}

function everybody(count: number): number[] {
  return Array.from({ length: count }, (_, person) => person);
}

interface Course {
  readonly federation: Federation;
  readonly people: readonly Participant[];
  readonly events: readonly (readonly ParticipationEvent[])[];
}

/** Runs a federation of `count` people to its end; those named stop before a step, without a word. */
async function run(
  t: Test,
  { count, plan, stops = new Map() }: { count: number; plan: PlanChanges; stops?: ReadonlyMap<number, Step> },
): Promise<Course> {
  const federation = await Federation.open(t, { plan });
  const people = await Promise.all(
    everybody(count).map((person) => {
      const step = stops.get(person);
      const options: Partial<JoinOptions> = {
        trainer: new ConstantTrainer(trainedBy(person)),
        secureAggregation: crypto,
        floors: {
          allowNoNoise: true,
          minimumNoiseMultiplier: 0,
          maximumEpsilonPerRound: 1e6,
          maximumEpsilon: 1e6,
          minimumCohort: 3,
        },
        ...(step === undefined ? {} : { transport: stoppingBefore(federation.transport, step) }),
      };
      return federation.join(options);
    }),
  );
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  // Who stopped waits for an answer that will not come.
  const events = await Promise.all(parts.filter((_, person) => !stops.has(person)));
  return { federation, people, events };
}

/** Σ of those that are in the sum, over the plan's divisor. */
function expected(people: readonly number[], divisor: number): number[] {
  const mean = people.reduce((sum, person) => sum + trainedBy(person), 0) / divisor;
  return [mean, mean, mean].map(Math.fround);
}

function subjects(people: readonly Participant[], present: readonly number[]): string[] {
  return present.map((person) => people[person]?.subject ?? "").sort();
}

function statesOf(notices: readonly RoundNotice[], round: number): string[] {
  return notices.filter((notice) => notice.round === round).map(({ state }) => state);
}

t.test("twenty masked updates add up to the very integers, and so does an evaluation", async (t) => {
  const plan = securePlan({ evaluation: { metric: "mean", length: 2, clipNorm: 64 } });
  const { federation, people, events } = await run(t, { count: 20, plan });
  t.same(await federation.model(), expected(everybody(20), 20));
  t.match(federation.population.state?.metrics, { mean: 1 });
  t.same((await federation.cohorts()).get(1), subjects(people, everybody(20)));
  t.same(
    statesOf(federation.notices, 1),
    "planned reserved selecting configured keys shares masked consistency unmask aggregated debited released closed".split(
      " ",
    ),
  );
  for (const told of events) {
    t.same(
      told.flatMap((event) => (event.type === "accepted" || event.type === "released" ? [event.round] : [])),
      [1, 1, 2, 2],
    );
  }
  t.same((await federation.audit()).findings, [], "each member of the cohort list has a mask key of its own");
  t.same(federation.faults, []);
});

t.test("noise comes onto the unmasked sum, calibrated and accounted as without masks", async (t) => {
  const { federation } = await run(t, { count: 20, plan: securePlan(centralNoise(0.05, 1_000)) });
  const [value = Number.NaN] = await federation.model();
  // Clipped to norm 1: ten have coordinates of 1/√3, five of −1/√3, the others add up to 0.
  // The noise has a standard deviation of 0.05 / 20: eight of them raise no false alarm in 10^15 runs.
  t.ok(Math.abs(value - (10 - 5) / 20 / Math.sqrt(3)) < 0.02, `${value}`);
  const report = await federation.audit();
  t.same(report.findings, []);
  t.ok((report.populations[0]?.epsilon ?? 0) > 0);
});

for (const mechanism of ["distributed-discrete-gaussian", "distributed-skellam"] as const) {
  t.test(`noise of the devices themselves (${mechanism}) protects a sum that nobody saw without it`, async (t) => {
    const plan = securePlan({
      policy: { epsilon: 1_000, delta: 1e-5 },
      privacy: { mechanism, clipNorm: 1, noiseMultiplier: 0.1, bits: 24 },
    });
    const { federation } = await run(t, { count: 20, plan });
    const [value = Number.NaN] = await federation.model();
    // σ of the sum is at most 0.1·√(20 / 12), of the mean a twentieth: 0.0065. Ten of them raise no false alarm.
    t.ok(Math.abs(value - (10 - 5) / 20 / Math.sqrt(3)) < 0.065, `${value}`);
    const [entry] = await federation.entries("round.plan");
    t.match(entry?.body, { privacy: { mechanism, noiseAt: "devices" }, update: { length: 4, dimension: 3 } });
    const report = await federation.audit();
    t.same(report.findings, []);
    t.ok((report.populations[0]?.epsilon ?? 0) > 0);
    t.same(federation.faults, []);
  });
}

for (const step of ["advertiseKeys", "shareKeys", "submitMasked"] as const) {
  t.test(`who stops before ${step} is not in the sum, and the sum is right`, async (t) => {
    const stops = new Map([3, 17].map((person) => [person, step]));
    const { federation, people } = await run(t, { count: 20, plan: securePlan(), stops });
    const present = everybody(20).filter((person) => !stops.has(person));
    t.same(await federation.model(), expected(present, 20));
    t.same((await federation.cohorts()).get(1), subjects(people, present));
    t.same((await federation.audit()).findings, []);
    t.same(federation.faults, []);
  });
}

for (const step of ["confirmSurvivors", "unmask"] as const) {
  t.test(`who stops before ${step} is in the sum already, and the others unmask it`, async (t) => {
    const stops = new Map([3, 17].map((person) => [person, step]));
    const { federation, people } = await run(t, { count: 20, plan: securePlan(), stops });
    t.same(await federation.model(), expected(everybody(20), 20));
    t.same((await federation.cohorts()).get(1), subjects(people, everybody(20)));
    t.same((await federation.audit()).findings, []);
  });
}

t.test("some stop at every step, and the sum is right", async (t) => {
  const stops = new Map<number, Step>([
    [0, "advertiseKeys"],
    [5, "shareKeys"],
    [6, "submitMasked"],
    [7, "confirmSurvivors"],
    [8, "unmask"],
  ]);
  const { federation } = await run(t, { count: 20, plan: securePlan(), stops });
  t.same(
    await federation.model(),
    expected(
      everybody(20).filter((person) => ![0, 5, 6].includes(person)),
      20,
    ),
  );
  t.same((await federation.audit()).findings, []);
});

for (const [step, reason] of [
  ["advertiseKeys", "TOO_FEW_KEYS"],
  ["shareKeys", "TOO_FEW_SHARES"],
  ["submitMasked", "TOO_FEW_UPDATES"],
  ["confirmSurvivors", "TOO_FEW_SIGNATURES"],
  ["unmask", "TOO_FEW_UNMASK_ANSWERS"],
] as const) {
  t.test(`more than the plan tolerates stop before ${step}: the round is abandoned, ${reason}`, async (t) => {
    const stops = new Map(everybody(7).map((person) => [person, step]));
    const federation = await Federation.open(t, {
      plan: securePlan({ deadlines: { selection: "20s", report: "1500ms" } }),
    });
    const people = await Promise.all(
      everybody(20).map((person) =>
        federation.join({
          secureAggregation: crypto,
          ...(stops.has(person) ? { transport: stoppingBefore(federation.transport, step) } : {}),
        }),
      ),
    );
    const parts = people.map((person) => federation.takePart(person));
    const running = federation.run();
    const ended = await federation.notice(({ state }) => state === "abandoned" || state === "closed");
    t.match(ended, { state: "abandoned", reason });
    t.equal((await federation.entries("budget.debit")).length, 0, "nothing is spent");
    t.same((await federation.audit()).findings, []);
    await federation.close();
    await Promise.all([running, ...parts]);
  });
}

t.test("a cohort is split into groups whose sums are added", async (t) => {
  const stops = new Map([3, 17].map((person) => [person, "submitMasked" as const]));
  const plan = securePlan({
    cohort: { target: 24, minimum: 16, overSelection: 1 },
    secureAggregation: { enabled: true, groupTarget: 12 },
  });
  const { federation, people } = await run(t, { count: 24, plan, stops });
  const present = everybody(24).filter((person) => !stops.has(person));
  t.same(await federation.model(), expected(present, 24));
  t.same((await federation.cohorts()).get(1), subjects(people, present));
  const [entry] = await federation.entries("round.plan");
  t.match(entry?.body.secureAggregation.parameters, { groupTarget: 12, maximumMembers: 18, graph: "complete" });
  t.same((await federation.audit()).findings, []);
  t.same(federation.faults, []);
});

for (const [state, step] of [
  ["keys", "advertiseKeys"],
  ["shares", "shareKeys"],
  ["masked", "submitMasked"],
  ["consistency", "confirmSurvivors"],
  ["unmask", "unmask"],
] as const) {
  t.test(`a coordinator that is started again in ${state} abandons the round, and the next one is fine`, async (t) => {
    const dataDir = temporaryFolder(t);
    const plan = securePlan({
      cohort: { target: 8, minimum: 6, overSelection: 1 },
      deadlines: { selection: "20s", report: "20s" },
    });
    const kept = everybody(8).map(() => ({ store: memoryStore(), signer: generateNodeSigner() }));
    const enter = (federation: Federation, stopping: boolean): Promise<Participant[]> =>
      Promise.all(
        kept.map((own, person) =>
          federation.join({
            ...own,
            trainer: new ConstantTrainer(trainedBy(person)),
            secureAggregation: crypto,
            ...(stopping && person < 4 ? { transport: stoppingBefore(federation.transport, step) } : {}),
          }),
        ),
      );
    const first = await Federation.open(t, { dataDir, plan });
    const begun = (await enter(first, true)).map((person) => first.takePart(person));
    const running = first.run();
    await first.notice((notice) => notice.state === state);
    await first.close();
    await Promise.all([running, ...begun]);
    const second = await Federation.open(t, { dataDir, plan });
    const parts = (await enter(second, false)).map((person) => second.takePart(person));
    await second.run();
    await Promise.all(parts);
    t.match(second.notices[0], { round: 1, state: "abandoned", reason: "COORDINATOR_RESTARTED" });
    t.match(second.notices.at(-1), { round: 2, state: "closed" });
    t.same(await second.model(), expected(everybody(8), 8));
    t.same((await second.audit()).findings, []);
  });
}

t.test("a device without cryptography, or with floors above the plan's, refuses and is not waited for", async (t) => {
  const plan = securePlan({ cohort: { target: 6, minimum: 4, overSelection: 1 } });
  const federation = await Federation.open(t, { plan });
  const secured = { secureAggregation: crypto };
  const people = await Promise.all([
    ...everybody(4).map((person) => federation.join({ ...secured, trainer: new ConstantTrainer(trainedBy(person)) })),
    federation.join(),
    federation.join({ ...secured, floors: { allowNoNoise: true, minimumNoiseMultiplier: 0, minimumCohort: 5 } }),
  ]);
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  t.same(await federation.model(), expected(everybody(4), 6));
  const events = await Promise.all(parts);
  const refused = events.map((told) => told.flatMap((event) => (event.type === "refused" ? [event.code] : []))[0]);
  t.same(refused, [undefined, undefined, undefined, undefined, "GUARD_UNSUPPORTED", "GUARD_COHORT"]);
});
