import { RoundState } from "@fedloop/proto";
import t from "tap";
import type { SecureStep } from "../../src/participation/phases.js";
import { begun, type Run } from "./run.js";

const prepared = (): Run => begun().offer(1).joined(1).news(1, RoundState.KEYS).prepared();

/** Steps that are done one after the other, each after the round has come to its state. */
function through(last: SecureStep): Run {
  const run = prepared().secured("keys");
  const rest = [
    ["shares", RoundState.SHARES],
    ["masked", RoundState.MASKED],
    ["consistency", RoundState.CONSISTENCY],
    ["unmask", RoundState.UNMASK],
  ] as const;
  for (const [step, state] of rest) {
    if (run.state.phase.type === "securing" && run.state.phase.step === last) break;
    run.news(1, state).secured(step);
  }
  return run;
}

t.test("each step begins when the one before is done and the round is there", async (t) => {
  const run = prepared();
  t.match(run.effects, [{ type: "secure", step: "keys" }]);
  t.same(run.secured("keys").types, [], "the keys of the others are waited for");
  t.match(run.news(1, RoundState.SHARES).effects, [{ type: "secure", step: "shares" }]);
  t.same(run.news(1, RoundState.MASKED).types, [], "the step is under way");
  t.match(run.secured("shares").effects, [{ type: "secure", step: "masked" }], "and the event was not lost");
  t.same(run.secured("masked").types, ["emit accepted"]);
  t.match(run.news(1, RoundState.CONSISTENCY).effects, [{ type: "secure", step: "consistency" }]);
  run.secured("consistency");
  t.match(run.news(1, RoundState.UNMASK).effects, [{ type: "secure", step: "unmask" }]);
  t.same(run.secured("unmask").types, ["stop"]);
  t.equal(run.state.phase.type, "submitted");
  t.same(run.news(1, RoundState.CLOSED).types, ["settle", "emit released", "emit waiting", "rest"]);
});

t.test("a round that goes on without this device before its vector is missed", async (t) => {
  t.same(prepared().secured("keys").news(1, RoundState.MASKED).types, ["stop", "emit abandoned", "rest"]);
  t.same(through("shares").news(1, RoundState.CONSISTENCY).types, ["stop", "emit abandoned", "rest"]);
  t.same(prepared().news(1, RoundState.AGGREGATED).types, ["stop", "emit abandoned", "rest"]);
});

t.test("once its vector has arrived a round that goes on counts as taken part in", async (t) => {
  t.equal(through("masked").news(1, RoundState.UNMASK).state.phase.type, "submitted");
  t.equal(through("consistency").news(1, RoundState.AGGREGATED).state.phase.type, "submitted");
  const unmasking = through("consistency").news(1, RoundState.UNMASK);
  const later = through("consistency").news(2, RoundState.SELECTING);
  t.same(later.types, ["stop", "rest"], "a later round has begun: how this one ended is left to the log");
  t.equal(unmasking.fail("stale", "WRONG_STATE").state.phase.type, "submitted", "the others' shares were enough");
});

t.test("an error, an abandoned round and a withdrawal end every step", async (t) => {
  for (const step of ["keys", "shares", "masked", "consistency"] as const) {
    t.same(through(step).news(1, RoundState.ABANDONED).types, ["stop", "emit abandoned", "rest"], step);
    t.same(through(step).fail("guard", "GUARD_AGGREGATION").types, ["leave", "emit refused", "rest"], step);
    t.same(through(step).fail("stale", "NOT_IN_ROUND").types, ["stop", "emit abandoned", "rest"], step);
    const withdrawn = through(step).send({ type: "withdrawn", purposes: ["p"], remaining: 1 });
    t.same(withdrawn.types, ["stop", "leave", "emit abandoned", "checkIn"], step);
  }
});
