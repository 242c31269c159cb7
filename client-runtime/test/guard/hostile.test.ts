// A coordinator that lies, in every way a device can notice: each lie is refused under its own code, before anything
// is sent.
import { type RoundPlan, verifyForkEvidence } from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import t, { type Test } from "tap";
import type { GuardCode, JoinOptions, PrivacyFloors } from "../../src/index.js";
import type { Lies } from "../coordinator/lies.js";
import { type Started, start, TERMS, take } from "../coordinator/participants.js";
import { PURPOSE, type TestRound } from "../coordinator/plans.js";
import type { TestCoordinatorOptions } from "../coordinator/test-coordinator.js";
import { TestLog } from "../coordinator/test-log.js";

interface Hostile {
  readonly name: string;
  readonly code: GuardCode;
  readonly round?: TestRound;
  readonly options?: TestCoordinatorOptions;
  readonly join?: Partial<JoinOptions>;
  readonly floors?: Partial<PrivacyFloors>;
  readonly lie?: (started: Started) => Promise<void> | void;
}

function edit(change: (plan: RoundPlan) => Partial<RoundPlan>): TestRound {
  return { edit: (plan) => ({ ...plan, ...change(plan) }) };
}

function editPrivacy(change: Partial<RoundPlan["privacy"]>): TestRound {
  return edit(({ privacy }) => ({ privacy: { ...privacy, ...change } }));
}

function editUpdate(change: Partial<RoundPlan["update"]>): TestRound {
  return edit(({ update }) => ({ update: { ...update, ...change } }));
}

const table: readonly Hostile[] = [
  {
    name: "a plan that is not in the log",
    code: "GUARD_NOT_IN_LOG",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = (offer) => {
        const [first, ...rest] = offer.plan.inclusionPath;
        const other = first?.map((byte) => byte ^ 1) ?? new Uint8Array(32);
        return { ...offer, plan: { ...offer.plan, inclusionPath: [other, ...rest] } };
      };
    },
  },
  {
    name: "a plan at another place of the log than it is",
    code: "GUARD_NOT_IN_LOG",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = (offer) => ({ ...offer, plan: { ...offer.plan, index: offer.plan.index - 1n } });
    },
  },
  {
    name: "a plan of which one byte was changed",
    code: "GUARD_BAD_PLAN",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = (offer) => {
        const entry = Uint8Array.from(offer.plan.entry);
        entry[entry.length >> 1] = 0x7f;
        return { ...offer, plan: { ...offer.plan, entry } };
      };
    },
  },
  {
    name: "a plan with a space that does not belong there",
    code: "GUARD_BAD_PLAN",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = (offer) => {
        const entry = new TextEncoder().encode(`${new TextDecoder().decode(offer.plan.entry)} `);
        return { ...offer, plan: { ...offer.plan, entry } };
      };
    },
  },
  {
    name: "the policy in the place of a plan",
    code: "GUARD_BAD_PLAN",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = async (offer) => ({ ...offer, plan: await coordinator.log.receipt(0) });
    },
  },
  {
    name: "a plan of another population",
    code: "GUARD_BAD_PLAN",
    round: edit(() => ({ population: "students" })),
  },
  {
    name: "a plan of another round than the offer says",
    code: "GUARD_BAD_PLAN",
    round: edit(({ round }) => ({ round: round + 1 })),
  },
  {
    name: "a plan that relies on consents of the future",
    code: "GUARD_BAD_PLAN",
    round: edit(() => ({ consentTreeSize: 1_000 })),
  },
  {
    name: "a plan signed by someone else",
    code: "GUARD_PLAN_SIGNATURE",
    lie: ({ coordinator }) => {
      coordinator.lies.planSigner = generateNodeSigner();
    },
  },
  {
    name: "a checkpoint signed by another key",
    code: "GUARD_CHECKPOINT",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = async (offer) => {
        const other = new TestLog(coordinator.log.operator);
        for (const entry of coordinator.log.entries) other.append(entry);
        return { ...offer, plan: await other.receipt(Number(offer.plan.index)) };
      };
    },
  },
  {
    name: "a forked log, well signed",
    code: "GUARD_FORK",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = async (offer, known) => {
        const fork = coordinator.log.twin();
        await fork.publish("heartbeat", {});
        for (const entry of coordinator.log.entries.slice(1)) fork.append(entry);
        const plan = await fork.receipt(Number(offer.plan.index));
        return { ...offer, plan, consistency: fork.consistency(known, fork.tree.size) };
      };
    },
  },
  {
    name: "a log that has shrunk",
    code: "GUARD_FORK",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = async (offer) => {
        const fork = coordinator.log.twin();
        const plan = coordinator.log.entries[Number(offer.plan.index)];
        if (plan !== undefined) fork.append(plan);
        return { ...offer, plan: await fork.receipt(0), consistency: fork.consistency(0, 1) };
      };
    },
  },
  {
    name: "a growing log without its proof",
    code: "GUARD_FORK",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = (offer) => ({ ...offer, consistency: { ...offer.consistency, path: [] } });
    },
  },
  {
    name: "a purpose that nobody was asked about",
    code: "GUARD_NO_CONSENT",
    round: { purpose: "advertising" },
  },
  {
    name: "a purpose whose name is a property of every object",
    code: "GUARD_NO_CONSENT",
    round: { purpose: "constructor" },
  },
  {
    name: "a purpose that the participant refused",
    code: "GUARD_NO_CONSENT",
    options: { purposes: [PURPOSE, "research"] },
    round: { purpose: "research" },
    join: { consent: { ...TERMS, purposes: [PURPOSE, "research"], decide: (_notice, purpose) => purpose === PURPOSE } },
  },
  {
    name: "a consent that has expired",
    code: "GUARD_CONSENT_EXPIRED",
    join: { consent: { ...TERMS, decide: () => ({ given: true, validUntilMs: 1_800_000_000_001 }) } },
    lie: ({ clock }) => clock.set(1_800_000_000_001),
  },
  {
    name: "another consent than the device's own",
    code: "GUARD_CONSENT_MISMATCH",
    lie: ({ coordinator }) => {
      coordinator.lies.offer = (offer) => ({ ...offer, consentIndex: offer.consentIndex + 1n });
    },
  },
  {
    name: "a plan that was made before the consent",
    code: "GUARD_CONSENT_MISMATCH",
    round: edit(() => ({ consentTreeSize: 1 })),
  },
  {
    name: "another policy than was consented to",
    code: "GUARD_POLICY",
    round: edit(() => ({ policy: 2 })),
  },
  {
    name: "a reservation above the cap",
    code: "GUARD_POPULATION_BUDGET",
    round: edit(({ reservation }) => ({ reservation: { ...reservation, epsilon: "8.5" } })),
  },
  {
    name: "a cap above what was published",
    code: "GUARD_POPULATION_BUDGET",
    round: edit(({ reservation }) => ({ reservation: { ...reservation, cap: "9" } })),
  },
  {
    name: "a round without noise",
    code: "GUARD_NO_NOISE",
    options: { limits: { epsilon: "unbounded", delta: "0.00001" } },
    round: { mechanism: "none" },
  },
  {
    name: "less noise than the app's floor",
    code: "GUARD_NOISE_TOO_SMALL",
    floors: { minimumNoiseMultiplier: 5 },
  },
  {
    name: "more ε in one round than the app allows",
    code: "GUARD_NOISE_TOO_SMALL",
    floors: { maximumEpsilonPerRound: 0.5 },
  },
  {
    name: "noise fields that are weaker than the event",
    code: "GUARD_EVENT_MISMATCH",
    round: editPrivacy({ noiseMultiplier: "1" }),
  },
  {
    name: "an event for a smaller sensitivity",
    code: "GUARD_EVENT_MISMATCH",
    round: editPrivacy({ event: { type: "DiscreteGaussian", sigma: "524284", sensitivity: "1", dimension: 4 } }),
  },
  {
    name: "an event that claims amplification by sampling",
    code: "GUARD_EVENT_MISMATCH",
    round: editPrivacy({
      event: {
        type: "PoissonSampled",
        samplingProbability: "0.01",
        event: { type: "DiscreteGaussian", sigma: "524284", sensitivity: "131071", dimension: 4 },
      },
    }),
  },
  {
    name: "a clip norm that the norm bound cannot hold",
    code: "GUARD_CLIP",
    round: editPrivacy({ clipNorm: "20" }),
  },
  {
    name: "a norm bound that lets through more than the clip",
    code: "GUARD_CLIP",
    round: editPrivacy({ clipNorm: "0.5" }),
  },
  {
    name: "fewer bits than the norm bound needs",
    code: "GUARD_CLIP",
    round: editUpdate({ bits: 12 }),
  },
  {
    name: "a round without secure aggregation where the app demands it",
    code: "GUARD_SECURE_AGGREGATION",
    floors: { requireSecureAggregation: true },
  },
  {
    name: "a plan for another trainer",
    code: "GUARD_UNSUPPORTED",
    round: { trainer: "other" },
  },
  {
    name: "a cohort that may be smaller than the app allows",
    code: "GUARD_COHORT",
    floors: { minimumCohort: 11 },
  },
  {
    name: "a model larger than the app allows",
    code: "GUARD_TOO_LARGE",
    join: { limits: { modelBytes: 64 } },
  },
  {
    name: "more parameters than the model's bytes can hold",
    code: "GUARD_TOO_LARGE",
    round: edit(({ model }) => ({ model: { ...model, parameters: 1_000_000 } })),
  },
  {
    name: "an update longer than the app allows",
    code: "GUARD_TOO_LARGE",
    join: { limits: { updateLength: 3 } },
  },
  {
    name: "a round over the participant's own ε",
    code: "GUARD_BUDGET",
    join: { consent: { ...TERMS, decide: () => ({ given: true, limits: { epsilon: "0.5" } }) } },
  },
  {
    name: "a round over the participant's own number of rounds",
    code: "GUARD_BUDGET",
    join: { consent: { ...TERMS, decide: () => ({ given: true, limits: { rounds: 0 } }) } },
  },
  {
    name: "a round over the app's own ε in total",
    code: "GUARD_BUDGET",
    floors: { maximumEpsilon: 0.5 },
  },
  {
    name: "a model of which one byte was changed",
    code: "GUARD_MODEL",
    lie: ({ coordinator }) => {
      coordinator.lies.artifact = (bytes) => {
        const other = Uint8Array.from(bytes);
        other[other.length - 1] = 1;
        return other;
      };
    },
  },
  {
    name: "a model longer than the plan says",
    code: "GUARD_MODEL",
    lie: ({ coordinator }) => {
      coordinator.lies.artifact = (bytes) => Buffer.concat([bytes, new Uint8Array(4)]);
    },
  },
  {
    name: "a model that is no safetensors file",
    code: "GUARD_MODEL",
    lie: ({ coordinator }) => {
      coordinator.model = new Uint8Array(80).fill(7, 8);
    },
  },
];

async function refusal(t: Test, hostile: Hostile): Promise<void> {
  const started = await start(t, { rounds: [hostile.round ?? {}], ...hostile.options });
  const { coordinator, join } = started;
  const participant = await join({
    ...hostile.join,
    floors: { requireSecureAggregation: false, ...hostile.floors },
  });
  await hostile.lie?.(started);
  const events = await take(participant.run(), ({ type }) => type === "refused" || type === "masked");
  const last = events.at(-1);
  t.equal(last?.type === "refused" ? last.code : last?.type, hostile.code);
  t.equal((await participant.budget()).rounds, 0, "nothing was counted");
  t.equal(coordinator.updates.get(1)?.size, 0, "nothing was sent");
  await coordinator.called("Leave");
  t.same(coordinator.left.at(0)?.reason, hostile.code, "the coordinator is told the code");
}

for (const hostile of table) {
  t.test(`${hostile.name} is refused with ${hostile.code}`, (t) => refusal(t, hostile));
}

t.test("a round that was taken part in before is refused when it is offered again", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}, edit(() => ({ round: 1 }))] });
  coordinator.lies.offer = (offer) => ({ ...offer, round: 1n });
  const participant = await join();
  const events = await take(participant.run(), ({ type }) => type === "refused");
  const last = events.at(-1);
  t.equal(last?.type === "refused" ? last.code : "", "GUARD_REPLAYED_ROUND");
  t.equal((await participant.budget()).rounds, 1);
});

t.test("a purpose whose consent was withdrawn is refused, also after a restart", async (t) => {
  const { coordinator, join } = await start(t, {
    purposes: [PURPOSE, "research"],
    rounds: [{ purpose: "research" }],
  });
  const participant = await join({ consent: { ...TERMS, purposes: [PURPOSE, "research"] } });
  await participant.withdraw("research");
  const events = await take(participant.run(), ({ type }) => type === "refused" || type === "masked");
  const last = events.at(-1);
  t.equal(last?.type === "refused" ? last.code : "", "GUARD_WITHDRAWN");
  t.same(coordinator.consents(), ["consent.given", "consent.given", "consent.withdrawn"]);
});

t.test("the evidence of a fork is kept, and convinces whoever knows the log's key", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}], purposes: [PURPOSE, "research"] });
  coordinator.lies.offer = async (offer, known) => {
    const fork = coordinator.log.twin();
    await fork.publish("heartbeat", {});
    for (const entry of coordinator.log.entries.slice(1)) fork.append(entry);
    const plan = await fork.receipt(Number(offer.plan.index));
    return { ...offer, plan, consistency: fork.consistency(known, fork.tree.size) };
  };
  const participant = await join({ consent: { ...TERMS, purposes: [PURPOSE, "research"] } });
  t.equal(await participant.forkEvidence(), undefined);
  await take(participant.run(), ({ type }) => type === "refused");
  const proven = await verifyForkEvidence((await participant.forkEvidence()) ?? "", nodeVerifier());
  t.same(proven, { origin: coordinator.log.origin, oldSize: 3, newSize: 4 });
});

t.test(
  "a proof of the log's growth comes with the consent's receipt; without one, or with a false one, it is asked for",
  async (t) => {
    const asked = async (lie: Lies["consistency"]): Promise<number> => {
      const { coordinator, join } = await start(t, { rounds: [{}] });
      if (lie !== undefined) coordinator.lies.consistency = lie;
      await join();
      await join();
      return coordinator.calls.filter((call) => call.includes("GetConsistencyProof")).length;
    };
    t.equal(await asked(undefined), 0, "a call less for each participant");
    t.equal(await asked(() => ({})), 2, "an older coordinator gives none");
    const false_ = { oldSize: 1n, newSize: 2n, path: [new Uint8Array(32)] };
    t.equal(await asked(() => ({ consistency: false_ })), 2);
  },
);

t.test("a coordinator whose log fell behind what the device has seen ends the run with GUARD_FORK", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}] });
  const participant = await join();
  coordinator.lies.offer = () => {
    throw coordinator.told("OUT_OF_RANGE");
  };
  const small = coordinator.log.twin();
  const [first] = coordinator.log.entries;
  if (first !== undefined) small.append(first);
  const truth = coordinator.log.checkpoint.bind(coordinator.log);
  const note = await small.checkpoint();
  coordinator.log.checkpoint = (size) => (size === undefined ? Promise.resolve(note) : truth(size));
  coordinator.lies.beforeCall = (path) => {
    if (path.endsWith("GetConsistencyProof")) throw coordinator.told("OUT_OF_RANGE");
  };
  await t.rejects(take(participant.run()), { code: "GUARD_FORK" });
  t.type(await participant.forkEvidence(), "string");
});
