import { epsilonOf } from "@fedloop/privacy";
import t from "tap";
import { encodeEvent, type VerificationReport, verifyBundle } from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { policyBody, type TestDevice, testDevice } from "../author.js";
import { bundleOf, startedLog } from "../complete-log.js";
import { RunAuthor, runEvent, runPlan } from "../run-log.js";

/** Writes steps of a run. @param some and others are two cohorts of two */
type Writing = (run: RunAuthor, some: readonly TestDevice[], others: readonly TestDevice[]) => Promise<unknown>;

async function report(write: Writing): Promise<VerificationReport> {
  const people = [1, 2, 3, 4].map(testDevice);
  const run = await RunAuthor.start(people);
  await write(run, people.slice(0, 2), people.slice(2));
  return verifyBundle([await bundleOf(run.rounds.author)], { verifier: nodeVerifier() });
}

t.test("a run is paid for once, by the population and by everyone who takes part", async (t) => {
  const { findings, populations } = await report(async (run, some, others) => {
    for (const step of [some, others, some, others]) await run.step(step);
  });
  t.strictSame(findings, []);
  const { epsilon } = epsilonOf(runEvent, 1e-5, "rdp");
  const [population] = populations;
  t.match(population, { rounds: 4, participants: 4, unit: "participant", adjacency: "replace-special" });
  t.ok(Math.abs((population?.epsilon ?? 0) - epsilon) < 1e-9);
  t.ok(Math.abs((population?.recomputed.participant.rdp ?? 0) - epsilon) < 1e-9);
});

/** Runs that are not as they say, and what is found. */
const faulty: readonly (readonly [what: string, code: string, write: Writing])[] = [
  [
    "a participant that comes back too soon",
    "RUN_PARTICIPATION",
    async (run, some) => {
      await run.step(some);
      await run.step(some);
    },
  ],
  [
    "a participant that comes back too often",
    "RUN_PARTICIPATION",
    async (run, some, others) => {
      const once = { ...runEvent, maxParticipations: 1 } as const;
      await run.step(some, {}, once);
      await run.step(others, {}, once);
      await run.step(some, {}, once);
    },
  ],
  [
    "a step that is taken twice",
    "PLAN_EVENT",
    async (run, some, others) => {
      await run.step(some);
      await run.step(others, {});
      await run.step([], { step: 2 });
    },
  ],
  [
    "a step beyond the run's end",
    "PLAN_EVENT",
    async (run, some, others) => {
      const short = { ...runEvent, steps: 1, minSeparation: 1, maxParticipations: 1 } as const;
      await run.step(some, {}, short);
      await run.step(others, {}, short);
    },
  ],
  ["a run that nothing opened", "PLAN_EVENT", (run, some) => run.step(some, { first: "A".repeat(43), step: 2 })],
  [
    "a step with less noise than the run was opened with",
    "PLAN_EVENT",
    async (run, some, others) => {
      await run.step(some);
      await run.step(others, {}, { ...runEvent, noiseMultiplier: 19 });
    },
  ],
];

for (const [what, code, write] of faulty) {
  t.test(`${what} is found`, async (t) => {
    const { findings } = await report(write);
    const codes = [...new Set(findings.map((finding) => finding.code))];
    t.ok(
      codes.some((found) => found === code),
      `${codes}`,
    );
  });
}

t.test("a population that goes over to runs is counted from its beginning, under one adjacency", async (t) => {
  const devices = [1, 2].map(testDevice);
  const rounds = await startedLog(devices);
  await rounds.complete(devices);
  const limits = { policy: 2, adjacency: "replace-special" } as const;
  await rounds.author.write({ type: "policy.publish", body: policyBody(limits) });
  const others = [3, 4].map(testDevice);
  for (const device of others) await rounds.author.consent(device, "given", { policy: 2 });
  await rounds.complete(others, {
    plan: (plan) => ({ ...runPlan(plan, { first: null, step: 1 }), policy: 2 }),
    debit: (debit) => ({ ...debit, event: encodeEvent(runEvent) }),
  });
  const { findings, populations } = await verifyBundle([await bundleOf(rounds.author)], { verifier: nodeVerifier() });
  t.strictSame(findings, []);
  t.match(populations[0], { adjacency: "replace-special", rounds: 2 });
});

t.test("what was spent for one unit is not added to what is spent for another", async (t) => {
  const devices = [1, 2].map(testDevice);
  const rounds = await startedLog(devices);
  await rounds.complete(devices);
  await rounds.author.write({ type: "policy.publish", body: policyBody({ policy: 2, unit: "example" }) });
  const others = [3, 4].map(testDevice);
  for (const device of others) await rounds.author.consent(device, "given", { policy: 2 });
  await rounds.complete(others, {
    plan: (plan) => ({ ...plan, policy: 2, privacy: { ...plan.privacy, unit: "example" } }),
  });
  const { findings } = await verifyBundle([await bundleOf(rounds.author)], { verifier: nodeVerifier() });
  t.ok(findings.some(({ code, message }) => code === "PLAN_LIMITS" && message.includes("so far for one participant")));
});

t.test("a run that is opened again is paid for again", async (t) => {
  const { findings, populations } = await report(async (run, some, others) => {
    await run.step(some);
    await run.step(others, { first: null, step: 1 });
  });
  t.strictSame(findings, []);
  const twice = epsilonOf({ type: "SelfComposed", count: 2, event: runEvent }, 1e-5, "rdp").epsilon;
  t.ok(Math.abs((populations[0]?.epsilon ?? 0) - twice) < 1e-9);
});
