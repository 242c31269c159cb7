import t from "tap";
import { DEFAULT_ROUND_RETRIES, isFailure, waitAfter } from "../../src/rounds/retries.js";
import { ABANDON_REASONS } from "../../src/rounds/states.js";

t.test("the wait before the next attempt doubles up to a longest; after a round that closed there is none", (t) => {
  const retries = { pauseAfter: 10, firstMs: 2_000, longestMs: 15_000 };
  t.same(
    [0, 1, 2, 3, 4, 5, 50].map((failures) => waitAfter(retries, failures)),
    [0, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000],
  );
  t.ok(waitAfter(DEFAULT_ROUND_RETRIES, 5_000) <= DEFAULT_ROUND_RETRIES.longestMs);
  t.end();
});

t.test("what an operator, a restart or the budget did says nothing about the next attempt", (t) => {
  t.same(
    ABANDON_REASONS.filter((reason) => !isFailure(reason)),
    ["BUDGET_EXCEEDED", "COORDINATOR_RESTARTED", "OPERATOR_STOPPED"],
  );
  t.end();
});
