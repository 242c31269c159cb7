// What a device reports of a model's scores where a plan's metric is `auc`.
import { addScores } from "@fedloop/privacy";
import { ClientError } from "../errors.js";
import { choiceSetting } from "./settings.js";
import type { TrainerSettings } from "./trainer.js";

const REPORTS = ["loss", "scores"] as const;

/** Whether a plan asks for histograms of scores instead of a loss. @throws ClientError GUARD_UNSUPPORTED for another report */
export function isScoreReport(settings: TrainerSettings): boolean {
  return choiceSetting(settings, "report", REPORTS, "loss") === "scores";
}

/**
 * Histograms of a participant's scores, [rows labelled 1 | rows labelled 0], each row counting 1/n: L2 norm at most 1.
 *
 * @param scores P(label = 1) of each row
 * @param length of the report: twice the bins
 * @throws ClientError WRONG_LENGTH; NON_FINITE when a score is not a number
 */
export function scoreReport(scores: ArrayLike<number>, labels: ArrayLike<number>, length: number): Float32Array {
  if (length < 4 || length % 2 !== 0) {
    throw new ClientError(
      "WRONG_LENGTH",
      `expected a report of two histograms of at least 2 bins, came ${length} numbers`,
    );
  }
  const out = new Float32Array(length);
  addScores(
    out,
    Array.from(scores, (score, row) => {
      if (Number.isNaN(score)) throw new ClientError("NON_FINITE", "the model's score of an example is not a number");
      return { score, isTrue: (labels[row] ?? 0) > 0.5 };
    }),
  );
  return out;
}
