import fc from "fast-check";
import t from "tap";
import {
  plannedRound,
  type RoundMessage,
  type RoundProgress,
  type RoundRules,
  stepRound,
} from "../../src/rounds/machine.js";
import { hasEnded, isSpent, nextState, type RoundState } from "../../src/rounds/states.js";

const RULES: RoundRules = { secureAggregation: false, selectionGoal: 3, minimum: 2, selectionMs: 100, reportMs: 50 };

/** Sends messages one after the other. */
function run(progress: RoundProgress, ...messages: RoundMessage[]): RoundProgress {
  return messages.reduce((round, message) => stepRound(round, message).progress, progress);
}

const done: RoundMessage = { type: "done", nowMs: 0 };
const answered: RoundMessage = { type: "answered", nowMs: 10 };
const selecting = run(plannedRound(RULES), done, done);

t.test("a plain round passes its states in order, without those of secure aggregation", async (t) => {
  const states: RoundState[] = [];
  let round = plannedRound(RULES);
  for (let i = 0; i < 40 && !hasEnded(round.state); i++) {
    if (states.at(-1) !== round.state) states.push(round.state);
    round = run(round, i % 2 === 0 ? done : answered);
  }
  t.same(states, ["planned", "reserved", "selecting", "configured", "masked", "aggregated", "debited", "released"]);
  t.equal(round.state, "closed");
});

t.test("secure aggregation inserts keys, shares, consistency and unmask", async (t) => {
  t.equal(nextState("configured", true), "keys");
  t.equal(nextState("masked", true), "consistency");
  t.equal(nextState("unmask", true), "aggregated");
});

t.test("selection ends when the goal is reached, before its deadline", async (t) => {
  t.equal(selecting.state, "selecting");
  t.equal(run(selecting, answered, answered).state, "selecting");
  t.equal(run(selecting, answered, answered, answered).state, "configured");
});

t.test("at the deadline a round goes on with at least the minimum and is abandoned with fewer", async (t) => {
  const late: RoundMessage = { type: "tick", nowMs: 100 };
  t.equal(run(selecting, answered, answered, late).state, "configured");
  const few = stepRound(run(selecting, answered), late);
  t.equal(few.progress.state, "abandoned");
  t.same(few.effects, [{ type: "abandon", reason: "COHORT_TOO_SMALL" }]);
});

t.test("a departed device never holds a round", async (t) => {
  const masked = run(selecting, answered, answered, answered, done);
  t.equal(masked.state, "masked");
  t.equal(run(masked, answered, answered, { type: "left", nowMs: 11 }).state, "aggregated");
  const emptied = stepRound(run(masked, { type: "left", nowMs: 11 }), { type: "left", nowMs: 12 });
  t.same(emptied.effects, [{ type: "abandon", reason: "TOO_FEW_UPDATES" }]);
});

t.test("once a masked sum is fixed, groups decide how many answers it takes", async (t) => {
  const rules = { ...RULES, secureAggregation: true };
  const unmask: RoundProgress = { state: "unmask", rules, expected: 3, answered: 0, deadlineMs: 50 };
  t.equal(run(unmask, answered, { type: "sufficient", nowMs: 11 }).state, "aggregated");
  t.equal(run(unmask, answered, { type: "tick", nowMs: 50 }).state, "aggregated", "one answer is below the minimum");
  t.equal(run({ ...unmask, state: "masked" }, { type: "sufficient", nowMs: 11 }).state, "masked");
});

t.test("groups that are left out leave fewer to wait for, or too few", async (t) => {
  const rules = { ...RULES, secureAggregation: true };
  const masked: RoundProgress = { state: "masked", rules, expected: 3, answered: 2, deadlineMs: 50 };
  t.equal(run(masked, { type: "expected", expected: 2, nowMs: 11 }).state, "consistency");
  const few = stepRound({ ...masked, answered: 0 }, { type: "expected", expected: 1, nowMs: 11 });
  t.same(few.effects, [{ type: "abandon", reason: "TOO_FEW_UPDATES" }]);
  const failed = stepRound({ ...masked, state: "aggregated" }, { type: "failed", reason: "UNMASK_FAILED" });
  t.same(failed.effects, [{ type: "abandon", reason: "UNMASK_FAILED" }], "nothing of the state was durable yet");
});

t.test("a restart selects anew, abandons a begun cohort, and resumes what is durable", async (t) => {
  const restarted: RoundMessage = { type: "restarted", nowMs: 1_000 };
  const again = run(selecting, answered, restarted);
  t.match(again, { state: "selecting", answered: 0, deadlineMs: 1_100 });
  for (const state of ["configured", "masked"] as const) {
    t.same(stepRound({ ...selecting, state }, restarted).effects, [
      { type: "abandon", reason: "COORDINATOR_RESTARTED" },
    ]);
  }
  for (const state of ["planned", "reserved", "aggregated", "debited", "released"] as const) {
    t.equal(run({ ...selecting, state }, restarted).state, state);
  }
});

t.test("no course of messages leaves a spent round abandoned or an ended one alive", async () => {
  const message = fc.oneof(
    fc.constant<RoundMessage>(done),
    fc.constant<RoundMessage>(answered),
    fc.integer({ min: 0, max: 400 }).map((nowMs): RoundMessage => ({ type: "tick", nowMs })),
    fc.constant<RoundMessage>({ type: "left", nowMs: 20 }),
    fc.constant<RoundMessage>({ type: "restarted", nowMs: 30 }),
    fc.constant<RoundMessage>({ type: "abandon", reason: "OPERATOR_STOPPED" }),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(message, { maxLength: 60 }), (secureAggregation, messages) => {
      let round = plannedRound({ ...RULES, secureAggregation });
      for (const each of messages) {
        const before = round;
        round = stepRound(round, each).progress;
        if (isSpent(before.state) && round.state === "abandoned") return false;
        if (hasEnded(before.state) && round !== before) return false;
        if (
          round.state !== before.state &&
          round.state !== "abandoned" &&
          nextState(before.state, secureAggregation) !== round.state
        )
          return false;
      }
      return true;
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

t.test("a buffer closes when it is full, whoever else still trains", async (t) => {
  const rules = { ...RULES, bufferSize: 2 };
  const masked = run(plannedRound(rules), done, done, answered, answered, answered, done);
  t.equal(masked.state, "masked");
  t.equal(run(masked, answered).state, "masked");
  t.equal(run(masked, answered, answered).state, "aggregated", "the third is not waited for");
  const few = stepRound(run(masked, answered), { type: "tick", nowMs: 200 });
  t.same(few.effects, [{ type: "abandon", reason: "TOO_FEW_UPDATES" }], "the minimum holds as ever");
  const asked = run(
    plannedRound({ ...rules, secureAggregation: true }),
    done,
    done,
    answered,
    answered,
    answered,
    done,
  );
  t.equal(run(asked, answered).state, "keys");
  const masking = run(asked, answered, answered);
  t.equal(masking.state, "shares", "with secure aggregation it is full when so many have come with keys");
  t.equal(run(masking, answered).state, "shares", "and those are waited for");
});
