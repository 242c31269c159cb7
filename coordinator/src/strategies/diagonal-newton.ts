import type { StrategySettings, SumResult, SumStep, SumStrategy } from "./strategy.js";

/**
 * Newton steps with a diagonal curvature, for least-squares models whose devices report gradient and curvature:
 * an update is [g; s·h], twice as long as the model, with h_j the number of a device's examples that touch parameter j
 * (scaled by `curvatureScale` s so that both halves spend the clip evenly).
 *
 *   H ← H + (Σh − H)/t                         the mean of all rounds' noised counts
 *   Ĥ = m + κ·(H − m)                          shrunk to their mean m: κ = signal/(signal + noise) variance
 *   θ_j ← θ_j + η_t·(Σg_j − λ_j·θ_j)/(Ĥ_j + λ_j)
 *
 * With noise, η_t = 1/t: the iterate is then the mean of the rounds' estimates, so that R rounds at noise √R·σ give
 * the accuracy of one at σ while the devices' local parts adapt in between. λ_j = `ridge` + V/(Ĥ_j·τ²) is the ridge of
 * a normal prior with variance τ² = `priorVariance` on an effect seen through V, the noise variance of the mean (the
 * linear minimum-mean-square-error estimate, Henderson 1975 with the noise as a second error term). The last
 * `denseTail` parameters, which every device touches, have neither prior nor shrinkage. All of it is a function of
 * released values: it costs no budget.
 */
export function diagonalNewton(settings: StrategySettings): SumStrategy {
  const number = (name: string, fallback: number): number => {
    const value = settings[name];
    return typeof value === "number" ? value : fallback;
  };
  const curvatureScale = number("curvatureScale", 0.3);
  const ridge = number("ridge", 5);
  const priorVariance = number("priorVariance", 0.26);
  const minimumCurvature = number("minimumCurvature", 10);
  const denseTail = number("denseTail", 0);
  return {
    family: "sum",
    id: "diagonal-newton",
    updateLength: (parameters) => 2 * parameters,
    apply: (result) => newtonStep(result, { curvatureScale, ridge, priorVariance, minimumCurvature, denseTail }),
  };
}

interface NewtonSettings {
  readonly curvatureScale: number;
  readonly ridge: number;
  readonly priorVariance: number;
  readonly minimumCurvature: number;
  readonly denseTail: number;
}

function newtonStep(result: SumResult, settings: NewtonSettings): SumStep {
  const { parameters, sum, noiseStdDev, step, steps } = result;
  const n = parameters.length;
  const sparse = Math.max(n - settings.denseTail, 0);
  const curvature = runningMean(result, settings.curvatureScale);
  const noisy = noiseStdDev > 0;
  const floor = noisy ? settings.minimumCurvature : 0;
  const roundVariance = noiseStdDev * noiseStdDev;
  const estimate = noisy
    ? shrinkToMean(curvature, sparse, roundVariance / step / settings.curvatureScale ** 2)
    : curvature;
  // The noise that the final mean of all rounds will carry: the prior is weighed against that, not against one round.
  const finalVariance = roundVariance / steps;
  const rate = noisy ? 1 / step : 1;
  const moved = new Float32Array(n);
  for (let j = 0; j < n; j++) {
    if (j >= sparse) {
      moved[j] = (parameters[j] ?? 0) + (rate * (sum[j] ?? 0)) / Math.max(estimate[j] ?? 0, 1);
      continue;
    }
    const h = Math.max(estimate[j] ?? 0, floor);
    const lambda = settings.ridge + (noisy ? finalVariance / (h * settings.priorVariance) : 0);
    const theta = parameters[j] ?? 0;
    moved[j] = theta + (rate * ((sum[j] ?? 0) - lambda * theta)) / (h + lambda);
  }
  return { parameters: moved, state: curvature };
}

function runningMean({ parameters, sum, state, step }: SumResult, scale: number): Float32Array {
  const n = parameters.length;
  const mean = new Float32Array(n);
  for (let j = 0; j < n; j++) {
    const before = step === 1 ? 0 : (state[j] ?? 0);
    mean[j] = before + ((sum[n + j] ?? 0) / scale - before) / step;
  }
  return mean;
}

/** Empirical Bayes for many noisy counts: each moves to their mean by the share of their variance that is noise. */
function shrinkToMean(values: Float32Array, sparse: number, noiseVariance: number): Float32Array {
  let mean = 0;
  for (let j = 0; j < sparse; j++) mean += (values[j] ?? 0) / sparse;
  let variance = 0;
  for (let j = 0; j < sparse; j++) variance += ((values[j] ?? 0) - mean) ** 2 / sparse;
  const signal = Math.max(variance - noiseVariance, 1);
  const keep = signal / (signal + noiseVariance);
  return values.map((value, j) => (j < sparse ? mean + keep * (value - mean) : value));
}
