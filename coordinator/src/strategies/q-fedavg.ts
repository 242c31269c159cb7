import { numberSettings, POSITIVE } from "./settings.js";
import type { StrategySettings, SumStrategy } from "./strategy.js";

/** A released Σh is taken to be at least this many standard deviations of its noise: it is a divisor. */
const NOISE_FLOOR = 3;

/**
 * q-FedAvg (Li, Sanjabi, Beirami and Smith 2020, "Fair resource allocation in federated learning", algorithm 2): devices with a
 * larger loss F count more, by F^q. With Δ = L·(θ − θ_k) a device sends [−F^q·Δ | s·h], h = q·F^(q−1)·‖Δ‖² + L·F^q; the
 * server needs two sums and nothing else, so that both travel in one masked vector, one number longer than the model:
 *
 *   θ ← θ + η·Σ(−F^q·Δ)/Σh
 *
 * There is no divisor: Σh weighs itself. With noise, Σh is taken to be at least 3 standard deviations of it, so that a step is
 * bounded. Settings: `learningRate` η 1, `curvatureScale` s 1, which spends the clip evenly; the trainer's settings name the same s.
 */
export function qFedAvg(settings: StrategySettings): SumStrategy {
  const { learningRate, curvatureScale } = numberSettings("q-fedavg", settings, {
    learningRate: { fallback: 1, ...POSITIVE },
    curvatureScale: { fallback: 1, ...POSITIVE },
  });
  return {
    family: "sum",
    id: "q-fedavg",
    updateLength: (parameters) => parameters + 1,
    apply({ parameters, sum, noiseStdDev, state }) {
      const n = parameters.length;
      const released = Math.max(sum[n] ?? 0, NOISE_FLOOR * noiseStdDev);
      // Every device's loss is 0, or all noise: there is nothing to learn from.
      if (!(released > 0)) return { parameters: parameters.slice(), state };
      const scale = (learningRate * curvatureScale) / released;
      const moved = new Float32Array(n);
      for (let i = 0; i < n; i++) moved[i] = (parameters[i] ?? 0) + scale * (sum[i] ?? 0);
      return { parameters: moved, state };
    },
  };
}
