import { BELOW_ONE, numberSettings, POSITIVE } from "./settings.js";
import { type StrategySettings, type SumStrategy, sameLength } from "./strategy.js";

/**
 * Federated averaging with server momentum (Hsu, Qi and Brown 2019, section 4.3): with Δ = Σ/n
 *
 *   m ← β·m + Δ      θ ← θ + η·m
 *
 * m = 0 before the first step. Settings: `learningRate` η 1, `momentum` β 0.9. The state is m, as long as the model.
 */
export function fedAvgM(settings: StrategySettings): SumStrategy {
  const { learningRate, momentum } = numberSettings("fedavgm", settings, {
    learningRate: { fallback: 1, ...POSITIVE },
    momentum: { fallback: 0.9, ...BELOW_ONE },
  });
  return {
    family: "sum",
    id: "fedavgm",
    updateLength: sameLength,
    apply({ parameters, sum, divisor, state }) {
      const moved = new Float32Array(parameters.length);
      const mean = new Float32Array(parameters.length);
      for (let i = 0; i < moved.length; i++) {
        const next = momentum * (state[i] ?? 0) + (sum[i] ?? 0) / divisor;
        mean[i] = next;
        moved[i] = (parameters[i] ?? 0) + learningRate * next;
      }
      return { parameters: moved, state: mean };
    },
  };
}
