/** What is told of answers that an operator should look at, or that do not tell: from released sums alone. */
import { gaussianNoiseMultiplier } from "@fedloop/privacy";
import { analyticsResult, parseQuery } from "@fedloop/privacy/analytics";
import { powerOf } from "@fedloop/privacy/experiments";
import t from "tap";
import { answerAlerts } from "../../src/admin/analytics/alerts.js";
import { experimentNeeds } from "../../src/analytics/experiment-needs.js";
import { experimentAnalyses } from "../../src/analytics/experiments.js";
import type { AnsweredQuery } from "../../src/analytics/results.js";

/** A turn of a query as it would have been released, with noise of a standard deviation of `noise`. */
function answered(name: string, turn: number, ask: object, sums: readonly number[], noise: number): AnsweredQuery {
  const query = parseQuery(JSON.stringify(ask));
  const released = Float32Array.from(sums);
  return {
    ...{ name, turn, step: 1, query, population: "learners", round: turn, planIndex: 2 * turn, journal: 2 * turn + 1 },
    ...{ closedMs: turn, epsilon: "2", ownEpsilon: "1", delta: "0.00001", aggregate: new Uint8Array(32), kept: {} },
    sums: released,
    result: analyticsResult(query, { sums: released, members: 100, noiseVariance: noise * noise }),
  };
}

const LENGTH = { kind: "histogram", table: "sessions", value: { of: "rows" }, edges: [0, 5, 20], minimumDevices: 3 };
const WORDING = {
  ...{ kind: "experiment", table: "messages", arm: "arm", arms: ["short", "long"], minimumDevices: 3 },
  ...{ value: { of: "sum", column: "answered" }, lower: 0, upper: 1 },
};

t.test("a drift is an alert until a turn shows none, arms of uneven size are one", (t) => {
  const turns = [
    answered("length", 1, LENGTH, [80, 20], 2),
    answered("length", 2, LENGTH, [20, 80], 2),
    answered("length", 3, LENGTH, [22, 78], 2),
  ];
  const codes = (answers: readonly AnsweredQuery[]) => answerAlerts("learners", answers).map(({ code }) => code);
  t.strictSame(codes(turns.slice(0, 1)), []);
  t.strictSame(codes(turns.slice(0, 2)), ["DRIFT"]);
  t.strictSame(codes(turns), [], "against what it moved to it stands still");
  t.strictSame(codes([answered("wording", 1, WORDING, [50, -20, 50, 50, 20, 50], 2)]), []);
  t.match(answerAlerts("learners", [answered("wording", 1, WORDING, [90, -20, 90, 20, 2, 20], 2)]), [
    { code: "SAMPLE_RATIO", severity: "critical", population: "learners", message: "wording" },
  ]);
  t.end();
});

t.test("an arm that the noise drowns has no mean, and it is said what people or ε would do", (t) => {
  const few = answered("wording", 1, WORDING, [12, -8, 12, 2, 1, 1], 3);
  const [experiment] = experimentAnalyses([few], { plannedLooks: () => 1 });
  t.match(experiment, {
    fewestToTell: 12,
    arms: [
      { arm: "short", count: 12, mean: null },
      { arm: "long", count: null, mean: null },
    ],
    analyses: [{ arm: "long", analysis: null }],
  });

  const query = { lower: 0, upper: 1, noiseStdDev: 20, epsilon: 0.3, delta: 1e-5 };
  const needs = experimentNeeds(query, 400);
  t.strictSame(
    needs.map(({ epsilon }) => epsilon === null),
    [true, false, false, false],
    "400 people do not show the smallest difference, whatever ε is",
  );
  for (const { effect, participantsPerArm, epsilon } of needs) {
    const planned = { baseline: (1 - effect) / 2, effect };
    t.ok(powerOf({ ...planned, noiseStdDev: 20 }, participantsPerArm) >= 0.8);
    t.ok(powerOf({ ...planned, noiseStdDev: 20 }, participantsPerArm - 1) < 0.8);
    if (epsilon === null) continue;
    // The noise of the query is in proportion to that of a mechanism of this ε.
    const noiseAt = (epsilon: number) => gaussianNoiseMultiplier(epsilon, 1e-5);
    const noiseStdDev = (20 * noiseAt(epsilon)) / noiseAt(0.3);
    t.ok(Math.abs(powerOf({ ...planned, noiseStdDev }, 400) - 0.8) < 1e-6, `ε ${epsilon} is just enough`);
  }
  t.strictSame(
    experimentNeeds({ ...query, epsilon: Number.POSITIVE_INFINITY }, 400).map(({ epsilon }) => epsilon),
    [null, null, null, null],
    "without differential privacy there is no ε to name",
  );
  t.end();
});
