import { BELOW_ONE, numberSettings, POSITIVE } from "./settings.js";
import { type StrategySettings, type SumStrategy, sameLength } from "./strategy.js";

type Adaptive = "fedadagrad" | "fedadam" | "fedyogi";

/** Each rule's second moment, from the one before and Δ². */
const SECOND_MOMENT: Readonly<Record<Adaptive, (before: number, square: number, decay: number) => number>> = {
  fedadagrad: (before, square) => before + square,
  fedadam: (before, square, decay) => decay * before + (1 - decay) * square,
  fedyogi: (before, square, decay) => before - (1 - decay) * square * Math.sign(before - square),
};

/**
 * Adaptive server optimisers (Reddi et al. 2021, "Adaptive federated optimization", algorithm 2): with Δ = Σ/n
 *
 *   m ← β₁·m + (1 − β₁)·Δ
 *   v ← v + Δ²                                 FedAdagrad
 *   v ← v − (1 − β₂)·Δ²·sign(v − Δ²)           FedYogi
 *   v ← β₂·v + (1 − β₂)·Δ²                     FedAdam
 *   θ ← θ + η·m/(√v + τ)
 *
 * m = 0 and v = τ² before the first step, and as in the paper there is no correction of either for its beginning. Noise in Σ
 * is in Δ², too: τ wants to be at least its standard deviation over n, lest coordinates of noise alone move as far as others.
 * Settings: `learningRate` η 0.1, `momentum` β₁ 0.9 (FedAdagrad 0), `secondMomentum` β₂ 0.99 (not for FedAdagrad),
 * `adaptivity` τ 0.001. The state is [m | v].
 */
function adaptive(id: Adaptive, settings: StrategySettings): SumStrategy {
  const isAdagrad = id === "fedadagrad";
  const shared = {
    learningRate: { fallback: 0.1, ...POSITIVE },
    momentum: { fallback: isAdagrad ? 0 : 0.9, ...BELOW_ONE },
    adaptivity: { fallback: 1e-3, ...POSITIVE },
  };
  const decaying = { ...shared, secondMomentum: { fallback: 0.99, ...BELOW_ONE } };
  const { learningRate, momentum, adaptivity, secondMomentum } = isAdagrad
    ? { ...numberSettings(id, settings, shared), secondMomentum: 1 }
    : numberSettings(id, settings, decaying);
  const second = SECOND_MOMENT[id];
  return {
    family: "sum",
    id,
    updateLength: sameLength,
    apply({ parameters, sum, divisor, state }) {
      const n = parameters.length;
      const moved = new Float32Array(n);
      const moments = new Float32Array(2 * n);
      const isFirst = state.length === 0;
      for (let i = 0; i < n; i++) {
        const delta = (sum[i] ?? 0) / divisor;
        const m = momentum * (state[i] ?? 0) + (1 - momentum) * delta;
        const before = isFirst ? adaptivity ** 2 : (state[n + i] ?? 0);
        const v = second(before, delta * delta, secondMomentum);
        moments[i] = m;
        moments[n + i] = v;
        moved[i] = (parameters[i] ?? 0) + (learningRate * m) / (Math.sqrt(v) + adaptivity);
      }
      return { parameters: moved, state: moments };
    },
  };
}

/** FedAdagrad; see `adaptive`. */
export function fedAdagrad(settings: StrategySettings): SumStrategy {
  return adaptive("fedadagrad", settings);
}

/** FedAdam; see `adaptive`. */
export function fedAdam(settings: StrategySettings): SumStrategy {
  return adaptive("fedadam", settings);
}

/** FedYogi; see `adaptive`. */
export function fedYogi(settings: StrategySettings): SumStrategy {
  return adaptive("fedyogi", settings);
}
