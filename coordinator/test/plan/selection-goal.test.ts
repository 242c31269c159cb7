import t from "tap";
import { selectionGoal } from "../../src/plan/selection-goal.js";

t.test(
  "a cohort is the target times the decimal that the plan has, rounded up, not a binary fraction next to it",
  (t) => {
    const cases: readonly (readonly [target: number, overSelection: number, goal: number])[] = [
      [100, 1.1, 110],
      [10, 1.1, 11],
      [3, 1.1, 4],
      [200, 1.15, 230],
      [101, 1.1, 112],
      [7, 1, 7],
      [1, 3, 3],
      [1_000_000_000, 1.1, 1_100_000_000],
    ];
    for (const [target, overSelection, goal] of cases) t.equal(selectionGoal({ target, overSelection }), goal);
    t.end();
  },
);
