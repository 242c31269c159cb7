// Rounds under each mechanism that a plan can choose: real devices, a real log, and an auditor at the end.
import { type LabelledRows, logisticRegressionTrainer, memoryStore, type Participant } from "@fedloop/client-runtime";
import type { EntryOf } from "@fedloop/consent";
import { generateNodeSigner } from "@fedloop/consent/node";
import { epsilonOf, parseDecimalDpEvent } from "@fedloop/privacy";
import t from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { PARAMETERS, type PlanChanges } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

type Plan = EntryOf<"round.plan">["body"];

async function plans(federation: Federation): Promise<readonly Plan[]> {
  return (await federation.entries("round.plan")).map(({ body }) => body);
}

async function everyone(federation: Federation, values: readonly number[]): Promise<Participant[]> {
  return Promise.all(values.map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
}

/** An ε that nothing reaches, and with it next to no noise. */
const LOUD = { policy: { epsilon: 1000, delta: 1e-5 } };

const ADAPTIVE: PlanChanges = {
  ...LOUD,
  rounds: 4,
  privacy: {
    mechanism: "central-discrete-gaussian",
    clipNorm: 0.5,
    noiseMultiplier: 0.4,
    adaptiveClipping: { targetQuantile: 0.5, learningRate: 0.5, countNoiseStdDev: 0.3 },
  },
};

t.test("an adaptive clip follows the updates, by what the rounds before released and nothing else", async (t) => {
  const dataDir = temporaryFolder(t);
  const federation = await Federation.open(t, { plan: ADAPTIVE, dataDir });
  // Norms of √3·value: all above the clip of 0.5, which is to rise.
  const people = await everyone(federation, [1, 2, 3]);
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  const clips = (await plans(federation)).map(({ privacy }) => Number(privacy.adaptiveClipping?.clipNorm));
  t.equal(clips[0], 0.5);
  t.equal(clips.length, 4);
  const changes = clips.slice(1).map((clip, i) => clip / (clips[i] ?? 0));
  // By e^(η/2) = 1.28 a round at most. Noise of σ_b/3 = 0.1 on the fraction, which is 0, can take from that; that it takes
  // 0.45 in any of three rounds: 2e-5.
  t.ok(
    changes.every((change) => change > 1 && change <= Math.exp(0.25) + 1e-9),
    `${clips}`,
  );
  const costs = (await plans(federation)).map(({ privacy }) => JSON.stringify(privacy.event));
  t.equal(new Set(costs).size, 1, "every round costs the same, whatever its clip");
  const [first] = await plans(federation);
  t.equal(first?.update.length, PARAMETERS + 1, "a report travels behind the update");
  t.same((await federation.audit()).findings, []);
  t.equal((await federation.model()).length, PARAMETERS);
  await federation.close();

  // Two rounds more, after a restart: the fifth goes on from what the fourth released.
  const again = await Federation.open(t, { plan: { ...ADAPTIVE, rounds: 5 }, dataDir });
  const rejoined = await everyone(again, [1, 2, 3]);
  const more = rejoined.map((person) => again.takePart(person));
  await again.run();
  await Promise.all(more);
  const after = (await plans(again)).map(({ privacy }) => Number(privacy.adaptiveClipping?.clipNorm));
  t.equal(after.length, 5);
  t.ok((after[4] ?? 0) > (clips[3] ?? 0), `${after}`);
  t.same((await again.audit()).findings, []);
});

const SEPARATE: PlanChanges = {
  ...LOUD,
  rounds: 4,
  cohort: { target: 2, minimum: 2, overSelection: 1 },
  privacy: {
    mechanism: "dp-ftrl",
    clipNorm: 4,
    noiseMultiplier: 0.05,
    factorisation: { type: "blt", buffers: 2, minSeparation: 2, maxParticipations: 2 },
  },
};

t.test(
  "a run of DP-FTRL: nobody twice within the separation, one event for all rounds, a restart in its midst",
  async (t) => {
    const dataDir = temporaryFolder(t);
    const federation = await Federation.open(t, { plan: SEPARATE, dataDir });
    const stop = new AbortController();
    const devices = [1, 2, 3, 4].map(() => ({ store: memoryStore(), signer: generateNodeSigner() }));
    const before = await Promise.all(devices.map((device) => federation.join(device)));
    // They lose their coordinator in the midst of it.
    const half = before.map((person) => federation.takePart(person).catch(() => []));
    const running = federation.coordinator.run(stop.signal);
    await federation.notice(({ round, state }) => round === 2 && state === "closed");
    stop.abort();
    await running;
    await federation.close();
    await Promise.all(half);
    const stored = await storedRun(t, dataDir);
    t.equal(stored.step, 2);
    t.equal(stored.sealed.length, 12 + 16 + 2 * 8 * PARAMETERS, "two buffers, sealed: a few vectors and no more");

    const again = await Federation.open(t, { plan: SEPARATE, dataDir });
    const people = await Promise.all(devices.map((device) => again.join(device)));
    const parts = people.map((person) => again.takePart(person));
    await again.run();
    t.equal(again.population.finished, "rounds-done");
    const logged = await plans(again);
    t.same(
      logged.map(({ privacy }) => privacy.run?.step),
      [1, 2, 3, 4],
    );
    t.equal(new Set(logged.slice(1).map(({ privacy }) => privacy.run?.first)).size, 1, "they name one run");
    const cohorts = await again.cohorts();
    t.same(
      [cohorts.get(3), cohorts.get(4)].map((cohort) => cohort?.length),
      [2, 2],
    );
    for (const round of [1, 2, 3]) {
      const both = new Set([...(cohorts.get(round) ?? []), ...(cohorts.get(round + 1) ?? [])]);
      t.equal(both.size, 4, `rounds ${round} and ${round + 1} have nobody in common`);
    }
    const event = parseDecimalDpEvent(logged[0]?.privacy.event);
    t.match(event, { type: "BltMatrixFactorization", steps: 4, minSeparation: 2, maxParticipations: 2 });
    const once = epsilonOf(event, 1e-5, "rdp").epsilon;
    const report = await again.audit();
    t.same(report.findings, []);
    t.ok(Math.abs((report.populations[0]?.epsilon ?? 0) / once - 1) < 1e-9, "the run is paid for once");
    t.ok(Math.abs((report.populations[0]?.recomputed.participant.rdp ?? 0) / once - 1) < 1e-9);
    await Promise.all(parts);
    await again.close();
    for (const person of people) {
      const { epsilon, rounds, unit } = await person.budget(1e-5);
      t.equal(rounds, 2);
      t.equal(unit, "participant");
      t.ok(Math.abs(epsilon / once - 1) < 1e-9, "the device counts the run once, too");
    }
    // Four steps whose sums are 2·1 in each coordinate, divided by 2; the noise has σ 0.05·4·2 a step, correlated.
    for (const value of await again.model()) t.ok(Math.abs(value - 4) < 3, `${value}`);
    t.equal((await storedRun(t, dataDir)).sealed.length, 0, "after the last step no noise is kept");
  },
);

async function storedRun(test: Parameters<typeof Federation.open>[0], dataDir: string) {
  const federation = await Federation.open(test, { plan: SEPARATE, dataDir });
  const run = await federation.coordinator.store.db.selectFrom("noise_runs").selectAll().executeTakeFirstOrThrow();
  await federation.close();
  return run;
}

t.test("a run waits until enough participants are far enough from their last step", async (t) => {
  const federation = await Federation.open(t, {
    plan: { ...SEPARATE, cohort: { target: 3, minimum: 3, overSelection: 1 } },
  });
  const people = await everyone(federation, [1, 1, 1]);
  const take = (person: Participant) => federation.takePart(person).catch(() => []);
  const parts = people.map(take);
  const stop = new AbortController();
  const running = federation.coordinator.run(stop.signal);
  await federation.notice(({ round, state }) => round === 1 && state === "closed");
  // Three that have just taken part: the next step needs three others.
  const others = await everyone(federation, [1, 1, 1]);
  parts.push(...others.map(take));
  await federation.notice(({ round, state }) => round === 2 && state === "closed");
  stop.abort();
  await running;
  const cohorts = await federation.cohorts();
  t.same(cohorts.get(2), others.map(({ subject }) => subject).sort());
  await federation.close();
  await Promise.all(parts);
});

const rows: LabelledRows = {
  features: Float32Array.from({ length: 80 }, (_, i) => Math.sin(i)),
  labels: Uint8Array.from({ length: 40 }, (_, i) => i % 2),
  held: Uint8Array.from({ length: 40 }, (_, i) => (i % 5 === 4 ? 1 : 0)),
};

const EXAMPLES: PlanChanges = {
  policy: { epsilon: 4, delta: 1e-5 },
  trainer: { id: "logistic-regression" },
  rounds: 2,
  evaluation: { metric: "none", length: 3, clipNorm: 2 },
  privacy: {
    mechanism: "dp-sgd",
    unit: "example",
    clipNorm: 10,
    examples: { clipNorm: 1, samplingProbability: 0.25, steps: 10, lotSize: 8 },
  },
};

t.test(
  "example-level training says its unit in the policy, in plans, in the devices' count and in the report",
  async (t) => {
    const federation = await Federation.open(t, { plan: EXAMPLES });
    const floors = { minimumNoiseMultiplier: 0, requireSecureAggregation: false, minimumCohort: 1 };
    const join = (allowExampleUnit: boolean): Promise<Participant> =>
      federation.join({ trainer: logisticRegressionTrainer(rows), floors: { ...floors, allowExampleUnit } });
    const people = await Promise.all([1, 2, 3].map(() => join(true)));
    const strict = await join(false);
    const parts = people.map((person) => federation.takePart(person));
    const refusing = federation.takePart(strict);
    await federation.run();
    await Promise.all(parts);
    t.match(
      (await refusing).find(({ type }) => type === "refused"),
      { code: "GUARD_UNIT" },
      "a device whose app does not allow that unit stays away",
    );
    const [policy] = await federation.entries("policy.publish");
    t.match(policy?.body, { unit: "example", adjacency: "add-or-remove-one" });
    const other = await Federation.open(t, { plan: EXAMPLES });
    await other.close();
    await t.rejects(
      Federation.open(t, { dataDir: other.folder, plan: ADAPTIVE }),
      { code: "BAD_PLAN" },
      "a population's unit does not change",
    );
    const logged = await plans(federation);
    t.same(
      logged.map(({ kind, privacy }) => [kind, privacy.unit, privacy.mechanism]),
      [
        ["train", "example", "dp-sgd"],
        ["train", "example", "dp-sgd"],
        ["evaluate", "example", "central-discrete-gaussian"],
      ],
    );
    const evaluation = parseDecimalDpEvent(logged[2]?.privacy.event);
    t.match(
      evaluation,
      { sensitivity: 2 * (logged[2]?.update.integerNormBound ?? 0) },
      "one example changes a report into another",
    );
    const report = await federation.audit();
    t.same(report.findings, []);
    t.match(report.populations[0], { unit: "example", rounds: 3 });
    t.ok(
      (report.populations[0]?.epsilon ?? 9) <= 4 && (report.populations[0]?.epsilon ?? 0) > 3.9,
      "and it uses its ε",
    );
    for (const person of people) {
      t.match(await person.budget(), { unit: "example", rounds: 3 });
      const receipts = person.receipts();
      const rounds = receipts.filter(({ type }) => type === "round");
      t.same(new Set(rounds.map(({ unit }) => unit)), new Set(["example"]), "and in its receipts");
    }
  },
);
