import { driftReports } from "../../analytics/drift.js";
import { experimentAnalyses } from "../../analytics/experiments.js";
import type { AnsweredQuery } from "../../analytics/results.js";
import type { Alert } from "../alerts.js";

/** What answers say that somebody should look at: a drift at a query's newest turn, arms that people fell into unevenly. */
export function answerAlerts(population: string, answers: readonly AnsweredQuery[]): Alert[] {
  const drifts = driftReports(answers).flatMap(({ name, looks }): Alert[] => {
    const look = looks.at(-1);
    if (look?.drift?.isDrift !== true) return [];
    const message = `the answers to ${name} have moved between times ${look.reference} and ${look.turn}`;
    return [{ code: "DRIFT", severity: "warning", population, message }];
  });
  // The sample ratio does not depend on how many looks are planned.
  const mismatches = experimentAnalyses(answers, { plannedLooks: () => 1 }).flatMap(
    ({ name, sampleRatio }): Alert[] => {
      if (!sampleRatio.isMismatch) return [];
      const message = `people are not spread over the arms of ${name} as they should be: do not trust what it shows`;
      return [{ code: "SAMPLE_RATIO", severity: "critical", population, message }];
    },
  );
  return [...drifts, ...mismatches];
}
