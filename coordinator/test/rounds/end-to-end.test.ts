import { type Decision, memoryStore, type ParticipationEvent } from "@fedloop/client-runtime";
import { formatEpsilon, roundUpEpsilon } from "@fedloop/consent";
import { generateNodeSigner } from "@fedloop/consent/node";
import { type DpEvent, epsilonOf } from "@fedloop/privacy";
import t from "tap";
import { Federation } from "../server/federation.js";
import { ConstantTrainer, TERMS } from "../server/people.js";
import { centralNoise, type PlanChanges } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

function accepted(events: readonly ParticipationEvent[]): number[] {
  return events.flatMap((event) => (event.type === "accepted" ? [event.round] : []));
}

t.test("rounds train and evaluate, the model is the exact average, and the bundle verifies", async (t) => {
  const federation = await Federation.open(t, {
    plan: { rounds: 2, evaluation: { metric: "mean", every: 1, length: 2 } },
  });
  const trainers = [0.5, 1.25, -0.25].map((value) => new ConstantTrainer(value));
  const people = await Promise.all(trainers.map((trainer) => federation.join({ trainer })));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  for (const events of await Promise.all(parts)) t.same(accepted(events), [1, 2, 3, 4]);

  t.equal(federation.population.finished, "rounds-done");
  t.same(
    federation.notices.filter(({ state }) => state === "closed").map(({ round, kind }) => [round, kind]),
    [
      [1, "train"],
      [2, "evaluate"],
      [3, "train"],
      [4, "evaluate"],
    ],
  );
  t.same(
    federation.notices.filter(({ round }) => round === 1).map(({ state }) => state),
    ["planned", "reserved", "selecting", "configured", "masked", "aggregated", "debited", "released", "closed"],
  );
  t.same(await federation.model(), [1, 1, 1], "two rounds of (0.5 + 1.25 - 0.25) / 3");
  t.same(federation.population.state?.metrics, { mean: 1, examples: 2 });
  t.same(
    trainers.map(({ trained, evaluated }) => [trained, evaluated]),
    [
      [2, 2],
      [2, 2],
      [2, 2],
    ],
  );
  const subjects = people.map(({ subject }) => subject).sort();
  t.same([...(await federation.cohorts()).values()], [subjects, subjects, subjects, subjects]);
  const report = await federation.audit();
  t.same(report.findings, []);
  t.match(report.rounds, { planned: 4, completed: 4, abandoned: 0, open: 0 });
  t.same(federation.faults, []);
});

t.test("who refused or withdrew is never in a cohort, and is told nothing of the rounds", async (t) => {
  const federation = await Federation.open(t);
  const refusing = new ConstantTrainer(100);
  const withdrawn = new ConstantTrainer(100);
  const people = await Promise.all([1, 2, 3].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  await federation.join({ trainer: refusing, consent: { ...TERMS, decide: () => false } });
  const gone = await federation.join({ trainer: withdrawn });
  await gone.withdraw();
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  t.same(await federation.model(), [2, 2, 2]);
  t.same(await federation.cohorts(), new Map([[1, people.map(({ subject }) => subject).sort()]]));
  t.same([refusing.trained, withdrawn.trained], [0, 0]);
  t.same((await federation.audit()).findings, []);
});

t.test("the round that would overrun the budget is refused before anyone trains", async (t) => {
  const noiseMultiplier = 2;
  const gaussian: DpEvent = { type: "Gaussian", noiseMultiplier };
  const after = (rounds: number): number =>
    epsilonOf({ type: "SelfComposed", count: rounds, event: gaussian }, 1e-5, "rdp").epsilon;
  // Room for three rounds and a half.
  const cap = (after(3) + after(4)) / 2;
  const federation = await Federation.open(t, { plan: { rounds: 10, ...centralNoise(noiseMultiplier, cap) } });
  const trainers = [1, 2, 3].map((value) => new ConstantTrainer(value));
  const people = await Promise.all(trainers.map((trainer) => federation.join({ trainer })));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  t.equal(federation.population.finished, "budget");
  t.match(federation.notices.at(-1), { round: 4, state: "abandoned", reason: "BUDGET_EXCEEDED" });
  t.match(federation.population.idle(), { reason: "budget", afterMs: 60_000 }, "nobody needs to ask again at once");
  t.same(
    trainers.map(({ trained }) => trained),
    [3, 3, 3],
  );
  t.equal((await federation.entries("round.plan")).length, 3, "a plan that cannot run is not logged");
  const debits = await federation.entries("budget.debit");
  t.same(
    debits.map(({ body }) => body.epsilon),
    [1, 2, 3].map((rounds) => formatEpsilon(roundUpEpsilon(after(rounds)))),
  );
  const report = await federation.audit();
  t.same(report.findings, []);
  t.ok((report.populations[0]?.epsilon ?? Infinity) <= cap);
  await federation.close();
  await Promise.all(parts);
});

t.test("a participant's own limit of rounds ends its part, and the others go on", async (t) => {
  const federation = await Federation.open(t, {
    plan: { rounds: 3, cohort: { target: 2, minimum: 2, overSelection: 1.5 } },
  });
  const decide = (): Decision => ({ given: true, limits: { rounds: 1 } });
  const modest = await federation.join({ consent: { ...TERMS, decide } });
  const people = await Promise.all([1, 2].map(() => federation.join()));
  const parts = [modest, ...people].map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  const cohorts = await federation.cohorts();
  t.equal(cohorts.get(1)?.includes(modest.subject), true);
  t.same(cohorts.get(2), people.map(({ subject }) => subject).sort());
  t.same(cohorts.get(3), cohorts.get(2));
  t.same((await federation.audit()).findings, []);
});

t.test("a limit that the plan sets for every participant holds across rounds", async (t) => {
  const federation = await Federation.open(t, {
    plan: {
      rounds: 2,
      cohort: { target: 1, minimum: 1, overSelection: 1 },
      participantLimits: { rounds: 1 },
    },
  });
  const people = await Promise.all([1, 2].map(() => federation.join()));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  const [first, second] = (await federation.cohorts()).values();
  t.same(
    [...(first ?? []), ...(second ?? [])].sort(),
    people.map(({ subject }) => subject).sort(),
    "each of them once",
  );
  t.same((await federation.audit()).findings, []);
});

t.test("a budget that was used up refuses again after a restart, and a raised one goes on without a gap", async (t) => {
  const folder = temporaryFolder(t);
  const plan = (epsilon: number): PlanChanges => ({
    rounds: 2,
    cohort: { target: 1, minimum: 1, overSelection: 1 },
    ...centralNoise(2, epsilon),
  });
  const one = epsilonOf({ type: "Gaussian", noiseMultiplier: 2 }, 1e-5, "rdp").epsilon;
  const person = { store: memoryStore(), signer: generateNodeSigner() };
  const run = async (epsilon: number): Promise<Federation> => {
    const federation = await Federation.open(t, { dataDir: folder, plan: plan(epsilon) });
    const part = federation.takePart(await federation.join(person));
    await federation.run();
    await federation.close();
    await part;
    return federation;
  };
  t.equal((await run(one + 0.01)).population.finished, "budget");
  t.equal((await run(one + 0.01)).population.finished, "budget");
  const raised = await run(one + 5);
  t.equal(raised.population.finished, "rounds-done");
  t.match(raised.notices.at(-1), { round: 2, state: "closed" });
  t.same((await raised.audit()).findings, []);
});
