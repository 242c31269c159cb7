import { numberSettings, POSITIVE } from "./settings.js";
import { type StrategySettings, type SumResult, type SumStep, type SumStrategy, sameLength } from "./strategy.js";

/** θ ← θ + η·Σ/n. */
export function averagingStep({ parameters, sum, divisor, state }: SumResult, learningRate: number): SumStep {
  const scale = learningRate / divisor;
  const moved = new Float32Array(parameters.length);
  for (let i = 0; i < moved.length; i++) moved[i] = (parameters[i] ?? 0) + scale * (sum[i] ?? 0);
  return { parameters: moved, state };
}

/**
 * Federated averaging (McMahan et al. 2017, algorithm 1) with a fixed divisor: θ ← θ + η·Σ/n.
 *
 * Settings: `learningRate` η at the server, 1 unless given.
 */
export function fedAvg(settings: StrategySettings): SumStrategy {
  const { learningRate } = numberSettings("fedavg", settings, { learningRate: { fallback: 1, ...POSITIVE } });
  return {
    family: "sum",
    id: "fedavg",
    updateLength: sameLength,
    apply: (result) => averagingStep(result, learningRate),
  };
}
