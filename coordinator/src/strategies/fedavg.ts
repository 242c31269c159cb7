import type { StrategySettings, SumStrategy } from "./strategy.js";

/**
 * Federated averaging (McMahan et al. 2017, algorithm 1) with a fixed divisor: θ ← θ + η·Σ/n.
 *
 * Settings: `learningRate` η at the server, 1 unless given.
 */
export function fedAvg(settings: StrategySettings): SumStrategy {
  const learningRate = typeof settings.learningRate === "number" ? settings.learningRate : 1;
  return {
    family: "sum",
    id: "fedavg",
    updateLength: (parameters) => parameters,
    apply({ parameters, sum, divisor, state }) {
      const scale = learningRate / divisor;
      const moved = new Float32Array(parameters.length);
      for (let i = 0; i < moved.length; i++) moved[i] = (parameters[i] ?? 0) + scale * (sum[i] ?? 0);
      return { parameters: moved, state };
    },
  };
}
