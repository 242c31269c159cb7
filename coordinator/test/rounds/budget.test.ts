import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parseEpsilon, roundUpEpsilon } from "@fedloop/consent";
import { type DpEvent, epsilonOf } from "@fedloop/privacy";
import fc from "fast-check";
import t from "tap";
import { PopulationBudget, type RoundCost } from "../../src/rounds/budget.js";
import { claimedEpsilon, spentEpsilon } from "../../src/rounds/epsilons.js";
import { ParticipantBudgets } from "../../src/rounds/participant-budgets.js";

const DELTA = 1e-5;

function gaussian(noiseMultiplier: number): DpEvent {
  return { type: "Gaussian", noiseMultiplier };
}

function cost(event: DpEvent): RoundCost {
  return { event, run: null };
}

const event = fc.double({ min: 0.5, max: 20, noNaN: true }).map(gaussian);
/** Rounds of the same plan cost the same. */
const plannedEvent = fc.constantFrom(1, 2, 3).map(gaussian);
const events = fc.array(event, { minLength: 1, maxLength: 6 });

t.test("ε grows with every round, and is that of all of them composed", async () => {
  fc.assert(
    fc.property(events, (rounds) => {
      const budget = new PopulationBudget({ epsilon: 1e6, delta: DELTA }, []);
      let before = budget.spent;
      for (const each of rounds) {
        const promised = budget.reserve(cost(each));
        const after = budget.debit();
        if (after !== promised || after <= before) return false;
        before = after;
      }
      return before === epsilonOf({ type: "Composed", events: rounds }, DELTA, "rdp").epsilon;
    }),
    { seed: 11, numRuns: 60 },
  );
});

t.test("a refused reservation counts nothing, and the budget never passes its cap", async () => {
  fc.assert(
    fc.property(events, fc.double({ min: 0.1, max: 30, noNaN: true }), (rounds, epsilon) => {
      const budget = new PopulationBudget({ epsilon, delta: DELTA }, []);
      for (const each of rounds) {
        const before = budget.costs.length;
        const allowed = budget.allows(cost(each));
        let reserved = true;
        try {
          budget.reserve(cost(each));
        } catch {
          reserved = false;
        }
        if (reserved !== allowed || budget.costs.length !== before) return false;
        if (reserved) budget.debit();
        if (roundUpEpsilon(budget.spent) > epsilon) return false;
      }
      return true;
    }),
    { seed: 12, numRuns: 60 },
  );
});

t.test("a round that would cost exactly the cap is taken, a hair more is not", async (t) => {
  const epsilon = roundUpEpsilon(spentEpsilon([gaussian(1)], DELTA));
  t.ok(new PopulationBudget({ epsilon, delta: DELTA }, []).allows(cost(gaussian(1))));
  const budget = new PopulationBudget({ epsilon: epsilon - 1e-6, delta: DELTA }, []);
  t.throws(() => budget.reserve(cost(gaussian(1))), { code: "BUDGET_EXCEEDED" });
});

t.test("a reservation that is released is free again; one that is debited is spent for good", async (t) => {
  const cap = { epsilon: roundUpEpsilon(spentEpsilon([gaussian(1)], DELTA)), delta: DELTA };
  const budget = new PopulationBudget(cap, []);
  budget.reserve(cost(gaussian(1)));
  budget.release();
  t.equal(budget.spent, 0);
  budget.reserve(cost(gaussian(1)));
  budget.debit();
  t.throws(() => budget.reserve(cost(gaussian(1))), { code: "BUDGET_EXCEEDED" });
  t.throws(() => budget.debit(), { code: "INTERNAL" }, "there is nothing reserved");
  t.equal(new PopulationBudget(cap, budget.costs).spent, budget.spent, "and the same after a restart");
});

t.test("a run is reserved as a whole by its first round, and its later rounds cost nothing more", async (t) => {
  const event: DpEvent = {
    type: "BandedMatrixFactorization",
    noiseMultiplier: 3,
    coefficients: [1, 0.5],
    steps: 10,
    minSeparation: 2,
    maxParticipations: 5,
  };
  const { epsilon } = epsilonOf(event, DELTA, "rdp");
  const tight = new PopulationBudget({ epsilon: epsilon * 0.99, delta: DELTA }, []);
  t.throws(() => tight.reserve({ event, run: "a" }), { code: "BUDGET_EXCEEDED" }, "not a single step of it is taken");
  const budget = new PopulationBudget({ epsilon: epsilon * 1.2, delta: DELTA }, []);
  for (let step = 1; step <= 10; step++) {
    budget.reserve({ event, run: "a" });
    t.ok(Math.abs(budget.debit() - epsilon) < 1e-9, `step ${step}`);
  }
  t.throws(() => budget.reserve({ event, run: "b" }), { code: "BUDGET_EXCEEDED" }, "another run is paid for anew");
  const participants = new ParticipantBudgets();
  participants.debit({ event, run: "a" }, ["x"], 1);
  participants.debit({ event, run: "a" }, ["x", "y"], 3);
  t.same(participants.partIn("a", "x"), { lastStep: 3, times: 2 });
  t.ok(Math.abs(participants.epsilonWith("x", undefined, DELTA) - epsilon) < 1e-9);
  t.equal(participants.epsilonWith("y", { event, run: "a" }, DELTA), participants.epsilonWith("y", undefined, DELTA));
  t.equal(participants.rounds("x"), 2);
});

t.test("without a mechanism nothing is bounded, and the claim says so", async (t) => {
  const budget = new PopulationBudget({ epsilon: Number.POSITIVE_INFINITY, delta: DELTA }, []);
  budget.reserve(cost({ type: "NonPrivate" }));
  t.equal(budget.debit(), Number.POSITIVE_INFINITY);
  t.equal(claimedEpsilon(budget.spent), "unbounded");
  t.throws(() => new PopulationBudget({ epsilon: 100, delta: DELTA }, []).reserve(cost({ type: "NonPrivate" })), {
    code: "BUDGET_EXCEEDED",
  });
});

t.test("what is claimed is never below what was spent, and less than two millionths above it", async () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1_000, noNaN: true }), (epsilon) => {
      const claimed = parseEpsilon(claimedEpsilon(epsilon));
      return claimed >= epsilon && claimed < epsilon + 2e-6;
    }),
    { seed: 13, numRuns: 500 },
  );
});

t.test("each participant has spent the rounds that counted it, and no others", async () => {
  const round = fc.tuple(fc.oneof(event, plannedEvent), fc.subarray(["a", "b", "c"]));
  fc.assert(
    fc.property(fc.array(round, { maxLength: 6 }), event, fc.constantFrom(1e-5, 1e-7), (rounds, next, delta) => {
      const budgets = new ParticipantBudgets();
      for (const [each, subjects] of rounds) budgets.debit(cost(each), subjects);
      return ["a", "b", "c", "nobody"].every((subject) => {
        const own = rounds.flatMap(([each, subjects]) => (subjects.includes(subject) ? [each] : []));
        return (
          budgets.rounds(subject) === own.length &&
          budgets.epsilonWith(subject, undefined, delta) === spentEpsilon(own, delta) &&
          budgets.epsilonWith(subject, cost(next), delta) === spentEpsilon([...own, next], delta)
        );
      });
    }),
    { seed: 14, numRuns: 40 },
  );
});

t.test("a hundred rounds with some of the participants leave hardly more behind than ten", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const subjects = Array.from({ length: 1_000 }, (_, index) => `subject ${index}`);
  const random = fc.sample(fc.infiniteStream(fc.boolean()), { numRuns: 1, seed: 15 })[0];
  const budgets = new ParticipantBudgets();
  const each = cost(gaussian(30));
  const usedAfter = (rounds: number): number => {
    for (let round = 0; round < rounds; round++) {
      const able = subjects.filter((subject) => budgets.epsilonWith(subject, each, DELTA) < 1e6);
      budgets.debit(
        each,
        able.filter(() => random?.next().value),
      );
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const first = usedAfter(10);
  const bytesMore = usedAfter(90) - first;
  t.ok(bytesMore < 2_000_000, `${bytesMore} bytes more`);
});
