import { roundUpEpsilon } from "@fedloop/consent";
import { epsilonOf, noiseMultiplierFor } from "@fedloop/privacy";
import t from "tap";
import { PopulationBudget } from "../../src/rounds/budget.js";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { ParticipantBudgets } from "../../src/rounds/participant-budgets.js";
import { costOf } from "../../src/rounds/round-spec.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

const DAYS = 365;
const DELTA = 1e-5;

t.test(
  "a year of daily rounds: the budget stops exactly at the cap, for the population and for each one",
  async (t) => {
    // Noise for one round a day and an ε of 8 in a year; the plan would go on for longer.
    const noiseMultiplier = noiseMultiplierFor({
      epsilon: 8,
      delta: DELTA,
      accountant: "rdp",
      event: (z) => ({ type: "SelfComposed", count: DAYS, event: { type: "Gaussian", noiseMultiplier: z } }),
    });
    const { plan } = await testPlan(temporaryFolder(t), {
      rounds: 400,
      policy: { epsilon: 8, delta: DELTA },
      privacy: { mechanism: "central-discrete-gaussian", clipNorm: 1, noiseMultiplier, bits: 18 },
    });
    const { rounds, cap } = buildSchedule(plan, 1);
    const budget = new PopulationBudget(cap, []);
    const participants = new ParticipantBudgets();
    // By how many of its days a participant takes part: always, every second day, once a week.
    const people = new Map([
      ["daily", 1],
      ["often", 2],
      ["weekly", 7],
    ]);
    let day = 0;
    for (const spec of rounds) {
      const cost = costOf(spec);
      if (!budget.allows(cost)) break;
      budget.reserve(cost);
      budget.debit();
      participants.debit(
        cost,
        [...people].flatMap(([name, every]) => (day % every === 0 ? [name] : [])),
      );
      day += 1;
    }
    t.equal(day, DAYS, "the round of the last day fits, the one after it does not");
    const next = costOf(rounds[day] ?? rounds[0] ?? raise());
    t.throws(() => budget.reserve(next), { code: "BUDGET_EXCEEDED" });
    t.equal(budget.costs.length, DAYS, "what is refused is not counted");
    t.ok(budget.spent <= 8 && roundUpEpsilon(budget.after(next).enforced) > 8);
    t.equal(new PopulationBudget(cap, budget.costs).spent, budget.spent, "a restart counts the same");
    t.equal(participants.epsilonWith("daily", undefined, DELTA), budget.epsilons.rdp);
    for (const [name, every] of people) {
      const count = Math.ceil(DAYS / every);
      t.equal(participants.rounds(name), count);
      const alone = epsilonOf({ type: "SelfComposed", count, event: next.event }, DELTA, "rdp").epsilon;
      t.ok(Math.abs(participants.epsilonWith(name, undefined, DELTA) - alone) < 1e-9, name);
    }
    t.ok(participants.epsilonWith("weekly", next, DELTA) < 3, "who came once a week has budget left");
  },
);

function raise(): never {
  throw new Error("expected more rounds in the plan");
}
