import { averagingStep } from "./fedavg.js";
import { numberSettings, POSITIVE } from "./settings.js";
import { type StrategySettings, type SumStrategy, sameLength } from "./strategy.js";

/**
 * Buffered asynchronous aggregation (Nguyen et al. 2022, "Federated learning with buffered asynchronous aggregation",
 * algorithm 1): θ ← θ + η·Σ/K with K the plan's `cohort.target`, the buffer. A round closes when K updates are in. Who is still
 * training then goes on, and hands its update in with a later round, weighted by (1 + τ)^(−a) where τ models have been released
 * meanwhile. A buffer is a round, and with secure aggregation its sum is a secure sum: the weight is the device's own
 * arithmetic, before its clip.
 *
 * Settings: `learningRate` η 1, `maximumStaleness` τ 10: older updates are dropped; `stalenessExponent` a 0.5.
 */
export function fedBuff(settings: StrategySettings): SumStrategy {
  const { learningRate, maximumStaleness, stalenessExponent } = numberSettings("fedbuff", settings, {
    learningRate: { fallback: 1, ...POSITIVE },
    maximumStaleness: { fallback: 10, minimum: 0, maximum: 100, isWhole: true },
    stalenessExponent: { fallback: 0.5, minimum: 0, maximum: 10 },
  });
  return {
    family: "sum",
    id: "fedbuff",
    staleness: { maximum: maximumStaleness, exponent: stalenessExponent },
    updateLength: sameLength,
    apply: (result) => averagingStep(result, learningRate),
  };
}
