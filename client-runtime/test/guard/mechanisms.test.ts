// Mechanisms beyond fresh noise in each round: what a device makes of their plans, and what it refuses.
import { encodeEvent, exampleLevelMechanism, formatDecimal, type RoundPlan } from "@fedloop/consent";
import type { BltMatrixFactorizationEvent } from "@fedloop/privacy";
import t from "tap";
import { checkPrivacy } from "../../src/guard/privacy.js";
import { defaultFloors, type PrivacyFloors, type Trainer, type TrainingTask } from "../../src/index.js";
import { modelFile } from "../coordinator/models.js";
import { start, take } from "../coordinator/participants.js";
import { planOf, type TestRound } from "../coordinator/plans.js";

const facts = { number: 3, policy: 1, consentTreeSize: 1, model: modelFile(Float32Array.of(1, 2)), cap: "4" };
const honest = planOf({}, facts);

type Change = Partial<RoundPlan["privacy"]>;

function check(plan: RoundPlan, floors: Partial<PrivacyFloors> = {}) {
  return checkPrivacy(plan, { ...defaultFloors, ...floors });
}

/** An update of norm √3 and a report of 1: 2 together, the norm of the honest plan. */
function adaptive(changes: Partial<NonNullable<RoundPlan["privacy"]["adaptiveClipping"]>> = {}): RoundPlan {
  const adaptiveClipping = { clipNorm: "1.7", report: "1", targetQuantile: "0.5", learningRate: "0.2", ...changes };
  return { ...honest, privacy: { ...honest.privacy, adaptiveClipping } };
}

const run: BltMatrixFactorizationEvent = {
  type: "BltMatrixFactorization",
  noiseMultiplier: 6,
  bufferDecay: [0.9, 0.5],
  outputScale: [0.1, 0.2],
  steps: 8,
  minSeparation: 2,
  maxParticipations: 2,
};

function ofRun(plan: RoundPlan, step: number, first: string | null, event = run, changes: Change = {}): RoundPlan {
  const noise = { mechanism: "dp-ftrl", noiseAt: "coordinator", adjacency: "replace-special" } as const;
  const noiseMultiplier = formatDecimal(run.noiseMultiplier);
  const stated = { noiseMultiplier, event: encodeEvent(event), run: { first, step } };
  return { ...plan, privacy: { ...plan.privacy, ...noise, ...stated, ...changes } };
}

const choice = { clipNorm: 1, noiseMultiplier: 2, samplingProbability: 0.1, steps: 20 };

function byExamples(changes: Partial<typeof choice> = {}, plan: RoundPlan = honest, privacy: Change = {}): RoundPlan {
  const { event } = exampleLevelMechanism({ ...choice, updateLength: plan.update.length });
  const stated = { ...choice, ...changes };
  return {
    ...plan,
    privacy: {
      ...plan.privacy,
      unit: "example",
      mechanism: "dp-sgd",
      noiseAt: "devices",
      noiseMultiplier: formatDecimal(stated.noiseMultiplier),
      event: encodeEvent(event),
      examples: {
        clipNorm: formatDecimal(stated.clipNorm),
        samplingProbability: formatDecimal(stated.samplingProbability),
        steps: stated.steps,
        lotSize: 8,
      },
      ...privacy,
    },
  };
}

const allowed = { allowExampleUnit: true };

t.test("honest plans say what the device is to do", async (t) => {
  t.same(check(honest).adaptive, null);
  t.same(check(adaptive()).adaptive, { clipNorm: 1.7, report: 1 });
  t.same(check(ofRun(honest, 8, null)).event, run);
  t.match(check(byExamples(), allowed).examples, { lotSize: 8, mechanism: choice });
});

/** The evaluation of a population whose unit is the example, with the sensitivity that its event states. */
function evaluation(factor: number): RoundPlan {
  const sensitivity = factor * honest.update.integerNormBound;
  const event = encodeEvent({ type: "DiscreteGaussian", sigma: 4 * sensitivity, sensitivity, dimension: 4 });
  return { ...honest, kind: "evaluate", privacy: { ...honest.privacy, unit: "example", event } };
}

t.test("under the unit example a sum has twice the sensitivity, and an event must say so", async (t) => {
  t.match(check(evaluation(2), allowed).event, { sensitivity: 2 * honest.update.integerNormBound });
  t.throws(() => check(evaluation(1), allowed), { code: "GUARD_EVENT_MISMATCH" });
});

const refused: readonly (readonly [what: string, code: string, check: () => unknown])[] = [
  ["a clip and a report longer than the noise covers", "GUARD_CLIP", () => check(adaptive({ clipNorm: "1.8" }))],
  ["a report that is as long as all", "GUARD_CLIP", () => check(adaptive({ report: "2" }))],
  [
    "a run with less noise than its event",
    "GUARD_EVENT_MISMATCH",
    () => check(ofRun(honest, 1, null, run, { noiseMultiplier: "5" })),
  ],
  ["a step after the run's last", "GUARD_EVENT_MISMATCH", () => check(ofRun(honest, 9, "x"))],
  [
    "an event of another kind than the run's",
    "GUARD_EVENT_MISMATCH",
    () => check(ofRun(honest, 1, null, run, { event: honest.privacy.event })),
  ],
  ["examples where the app wants whole participants", "GUARD_UNIT", () => check(byExamples())],
  ["more steps than the event counts", "GUARD_EVENT_MISMATCH", () => check(byExamples({ steps: 21 }), allowed)],
  [
    "a larger sample than the event counts",
    "GUARD_EVENT_MISMATCH",
    () => check(byExamples({ samplingProbability: 0.2 }), allowed),
  ],
  [
    "less noise than the event counts",
    "GUARD_EVENT_MISMATCH",
    () => check(byExamples({ noiseMultiplier: 1.9 }), allowed),
  ],
];

for (const [what, code, attempt] of refused) {
  t.test(`${what}: ${code}`, async (t) => {
    t.throws(attempt, { code });
  });
}

/** Rounds of one run, at these steps; the first of them opens it. */
function runRounds(steps: readonly number[], event = run): TestRound[] {
  const first = Buffer.alloc(32, 7).toString("base64url");
  return steps.map((step) => ({ edit: (plan) => ofRun(plan, step, first, event) }));
}

const floors = { requireSecureAggregation: false };

t.test("a device keeps count of its own steps, whatever the coordinator says", async (t) => {
  for (const [steps, code] of [
    [[2, 3], "GUARD_BUDGET"],
    [[4, 2, 3], "GUARD_BUDGET"],
    [[2, 4, 6], "GUARD_BUDGET"],
  ] as const) {
    const { join } = await start(t, { rounds: runRounds(steps) });
    const participant = await join({ floors });
    const events = await take(participant.run(), ({ type }) => type === "refused");
    const last = events.at(-1);
    t.equal(last?.type === "refused" ? last.code : last?.type, code, `steps ${steps}`);
    t.equal((await participant.budget()).rounds, steps.length - 1);
  }
});

t.test("a run is counted once, and another run again", async (t) => {
  const { join } = await start(t, { rounds: [...runRounds([2, 4]), { edit: (plan) => ofRun(plan, 1, null) }] });
  const participant = await join({ floors: { ...floors, maximumEpsilon: 100 } });
  const spent: number[] = [];
  for await (const { type } of participant.run()) {
    if (type === "accepted") spent.push((await participant.budget(1e-5)).epsilon);
    if (spent.length === 3) break;
  }
  t.equal(spent[0], spent[1]);
  t.ok((spent[2] ?? 0) > 1.3 * (spent[0] ?? 0), `${spent}`);
});

t.test("a run that goes on with another event than it was opened with is refused", async (t) => {
  const [first, second] = [...runRounds([2]), ...runRounds([4], { ...run, maxParticipations: 3 })];
  const { join } = await start(t, { rounds: [first ?? {}, second ?? {}] });
  const participant = await join({ floors });
  const last = (await take(participant.run(), ({ type }) => type === "refused")).at(-1);
  t.equal(last?.type === "refused" ? last.code : "", "GUARD_EVENT_MISMATCH");
});

t.test("a trainer that cannot train for examples is not asked to, and units are never added up", async (t) => {
  const asked = await start(t, { rounds: [{ edit: (plan) => byExamples({}, plan) }] });
  const participant = await asked.join({ floors: { ...floors, ...allowed } });
  const events = await take(participant.run(), ({ type }) => type === "refused");
  t.match(events.at(-1), { code: "GUARD_UNSUPPORTED" });

  const mixed = await start(t, { rounds: [{}, { edit: (plan) => byExamples({}, plan) }] });
  const answer = async ({ updateLength }: TrainingTask): Promise<Float32Array> => new Float32Array(updateLength);
  const trainer: Trainer = {
    id: "test",
    isExampleLevel: true,
    train: async (task) => ({ update: await answer(task) }),
    evaluate: answer,
  };
  const other = await mixed.join({ trainer, floors: { ...floors, ...allowed } });
  const refusal = (await take(other.run(), ({ type }) => type === "refused")).at(-1);
  t.match(refusal, { code: "GUARD_UNIT" });
  t.match(await other.budget(), { rounds: 1, unit: "participant" });
});
