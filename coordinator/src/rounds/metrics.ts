import { scoreQuality } from "@fedloop/privacy/analytics";
import { CoordinatorError } from "../errors.js";
import type { RoundSpec } from "./round-spec.js";

export type MetricReader = (
  sum: Float32Array,
  settings: RoundSpec["trainer"]["settings"],
  noiseVariance: number,
) => Readonly<Record<string, number>>;

/**
 * How the released sum of an evaluation round becomes named numbers.
 *
 * `rmse`: devices report [Σ((y−ŷ)² − c), s·n] with c = `centre` and s = `countScale`. Taking a public guess c of the
 * squared error away first makes each report short, so that the same noise costs less accuracy:
 * RMSE = √(c + s·Σ₁/Σ₂).
 * `mean`: [Σx, n] → x̄. `auc`: [scores of true rows | of false rows] over equal bins from 0 to 1 → AUC with its 95 % interval,
 * average precision, and how much the mean label is above the mean score; nothing where noise leaves nothing to say.
 * `ranking`: [hits among the first, their discounted gains, n] → both per participant. `none`: the sum itself.
 *
 * @throws CoordinatorError BAD_PLAN for an unknown metric
 */
export function metricReader(metric: string): MetricReader {
  switch (metric) {
    case "rmse":
      return (sum, settings) => {
        const [excess = Number.NaN, count = Number.NaN] = sum;
        const scale = Number(settings.countScale ?? 1);
        const meanSquare = Number(settings.centre ?? 0) + (scale * excess) / count;
        return { rmse: Math.sqrt(Math.max(meanSquare, 0)), examples: Math.max(Math.round(count / scale), 0) };
      };
    case "mean":
      return (sum) => {
        const [total = Number.NaN, count = Number.NaN] = sum;
        return { mean: total / count, examples: Math.max(Math.round(count), 0) };
      };
    case "ranking":
      return (sum) => {
        const [hits = Number.NaN, gain = Number.NaN, count = Number.NaN] = sum;
        return { hitRate: hits / count, ndcg: gain / count, examples: Math.max(Math.round(count), 0) };
      };
    case "auc":
      return (sum, _settings, noiseVariance) => {
        const query = { bins: sum.length / 2, minimumDevices: 1 };
        const quality = scoreQuality(query, Float64Array.from(sum), noiseVariance);
        if (quality === null) return {};
        const { auc, averagePrecision, calibrationGap } = quality;
        const [aucLow, aucHigh] = auc.interval;
        return {
          auc: auc.value,
          aucLow,
          aucHigh,
          averagePrecision: averagePrecision.value,
          calibrationGap: calibrationGap.value,
        };
      };
    case "none":
      return (sum) => Object.fromEntries([...sum].map((value, index) => [String(index), value]));
    default:
      throw new CoordinatorError(
        "BAD_PLAN",
        `expected evaluation.metric to be rmse, mean, auc, ranking or none, came "${metric}"`,
      );
  }
}
