import { averagingStep } from "../fedavg.js";
import { numberSettings, POSITIVE } from "../settings.js";
import { type PerUpdateStrategy, type StrategySettings, sameLength } from "../strategy.js";
import { medianOf } from "./order-statistics.js";

/**
 * Norm bounding (Sun et al. 2019, "Can you really backdoor federated learning?", section 3): each update is scaled down to a norm
 * M where it is longer, and the mean taken: u ← u·min(1, M/‖u‖). It bounds what any one device can do, and turns no direction
 * away. Settings: `learningRate` η 1, `bound` M; where it is 0 or left out, M is the median of the cohort's norms.
 */
export function normBounding(settings: StrategySettings): PerUpdateStrategy {
  const { learningRate, bound } = numberSettings("norm-bounding", settings, {
    learningRate: { fallback: 1, ...POSITIVE },
    bound: { fallback: 0, minimum: 0, maximum: 1e9 },
  });
  return {
    family: "per-update",
    id: "norm-bounding",
    minimumVectors: 1,
    updateLength: sameLength,
    async combine(updates) {
      const norms = Float32Array.from(updates, l2Norm);
      const limit = bound > 0 ? bound : medianOf(norms.slice().sort());
      const mean = new Float32Array(updates[0]?.length ?? 0);
      for (const [row, update] of updates.entries()) {
        const norm = norms[row] ?? 0;
        const scale = (norm > limit ? limit / norm : 1) / updates.length;
        for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + scale * (update[i] ?? 0);
      }
      return mean;
    },
    apply: (result) => averagingStep(result, learningRate),
  };
}

function l2Norm(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
