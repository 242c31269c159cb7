import { CoordinatorError } from "../errors.js";
import { numberSettings, POSITIVE } from "./settings.js";
import { type StrategySettings, type SumStrategy, sameLength } from "./strategy.js";

/**
 * The server's side of SCAFFOLD (Karimireddy et al. 2020, algorithm 1, lines 16 and 17) for cohorts that are a part of all
 * devices. The model is [x | c], a model and the server's control variate, so that both reach devices as one artifact; an update is
 * [Δy | s·Δc], so that both travel in one masked vector under one clip:
 *
 *   x ← x + η/S · ΣΔy         c ← c + 1/N · ΣΔc
 *
 * S is the plan's fixed divisor, N the number of devices that there are. Settings: `devices` N (no default), `learningRate`
 * η 1, `variateScale` s 1, which spends the clip evenly between the halves; the trainer's settings name the same s.
 */
export function scaffold(settings: StrategySettings): SumStrategy {
  const { learningRate, devices, variateScale } = numberSettings("scaffold", settings, {
    learningRate: { fallback: 1, ...POSITIVE },
    devices: { fallback: null, minimum: 1, maximum: 1e9, isWhole: true },
    variateScale: { fallback: 1, ...POSITIVE },
  });
  return {
    family: "sum",
    id: "scaffold",
    updateLength(parameters) {
      if (parameters % 2 === 0) return sameLength(parameters);
      throw new CoordinatorError(
        "BAD_PLAN",
        `model: expected with scaffold the model's tensors twice, for it and its control variate; came ${parameters} parameters`,
      );
    },
    apply({ parameters, sum, divisor, state }) {
      const half = parameters.length / 2;
      const moved = new Float32Array(parameters.length);
      for (let i = 0; i < moved.length; i++) {
        const scale = i < half ? learningRate / divisor : 1 / (devices * variateScale);
        moved[i] = (parameters[i] ?? 0) + scale * (sum[i] ?? 0);
      }
      return { parameters: moved, state };
    },
  };
}
