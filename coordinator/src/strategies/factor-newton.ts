import { CoordinatorError } from "../errors.js";
import type { StrategySettings, SumResult, SumStep, SumStrategy } from "./strategy.js";

/**
 * Newton steps for item factors whose users' factors stay on devices: the trainer implicit-factorisation. From the sums
 * over all users of the observed gradient g, the counts n, G = Σ u·uᵀ and C = Σ |S|·u·uᵀ:
 *
 *   v_i ← v_i − η·(αG + n_i·C/N + ρ_i)⁻¹ · (g_i + αG·v_i + ρ_i·v_i),   N = Σ n_i,   ρ_i = λ·(n_i + α·users)
 *
 * Hu, Koren and Volinsky (2008) solve for v_i with Σ u·uᵀ over the users of item i, which would take k² numbers an item.
 * Here those users are taken to be as all are, weighted by how much they use: C/N. The gradient is exact, so that the
 * fixed point is theirs, and an update has k + 1 numbers an item.
 *
 * With noise of deviation s in G, the curvature gets 2·√k·s more on its diagonal: about the spectral norm of the noise (Tao,
 * Topics in Random Matrix Theory, section 2.3), below which it could be close to singular or negative.
 */
export function factorNewton(settings: StrategySettings): SumStrategy {
  const number = (name: string, fallback: number): number => {
    const value = settings[name];
    return typeof value === "number" ? value : fallback;
  };
  const options = {
    factors: number("factors", 32),
    unobservedWeight: number("unobservedWeight", 0.2),
    ridge: number("ridge", 0.005),
    stepSize: number("stepSize", 1),
    countScale: number("countScale", 1),
    gramScale: number("gramScale", 1),
    minimumCount: number("minimumCount", 0),
  };
  if (!Number.isInteger(options.factors) || options.factors < 1) {
    throw new CoordinatorError("BAD_PLAN", `expected strategy setting factors to be a count, came ${options.factors}`);
  }
  return {
    family: "sum",
    id: "factor-newton",
    updateLength: (parameters) => {
      const items = parameters / options.factors;
      return parameters + items + options.factors * (options.factors + 1);
    },
    apply: (result) => step(result, options),
  };
}

interface FactorSettings {
  readonly factors: number;
  readonly unobservedWeight: number;
  readonly ridge: number;
  readonly stepSize: number;
  readonly countScale: number;
  readonly gramScale: number;
  readonly minimumCount: number;
}

function step({ parameters, sum, divisor, noiseStdDev }: SumResult, settings: FactorSettings): SumStep {
  const { factors: k, unobservedWeight: alpha, ridge, stepSize } = settings;
  const items = parameters.length / k;
  const counts = Float64Array.from({ length: items }, (_, i) => {
    return Math.max((sum[items * k + i] ?? 0) / settings.countScale, settings.minimumCount, 0);
  });
  const total = counts.reduce((whole, count) => whole + count, 0);
  const gram = symmetric(sum, items * k + items, k, alpha / settings.gramScale);
  const shared = symmetric(sum, items * k + items + (k * (k + 1)) / 2, k, 1 / settings.gramScale / Math.max(total, 1));
  const floor = (2 * Math.sqrt(k) * noiseStdDev * alpha) / settings.gramScale;
  const moved = Float32Array.from(parameters);
  const curvature = new Float64Array(k * k);
  const gradient = new Float64Array(k);
  for (let i = 0; i < items; i++) {
    const count = counts[i] ?? 0;
    const penalty = ridge * (count + alpha * divisor);
    for (let a = 0; a < k; a++) {
      let pulled = (sum[i * k + a] ?? 0) + penalty * (parameters[i * k + a] ?? 0);
      for (let b = 0; b < k; b++) {
        pulled += (gram[a * k + b] ?? 0) * (parameters[i * k + b] ?? 0);
        curvature[a * k + b] = (gram[a * k + b] ?? 0) + count * (shared[a * k + b] ?? 0);
      }
      curvature[a * k + a] = (curvature[a * k + a] ?? 0) + penalty + floor;
      gradient[a] = pulled;
    }
    solvePositive(curvature, gradient);
    for (let a = 0; a < k; a++) moved[i * k + a] = (parameters[i * k + a] ?? 0) - stepSize * (gradient[a] ?? 0);
  }
  return { parameters: moved, state: new Float32Array(0) };
}

/** A symmetric matrix from its lower triangle. */
function symmetric(values: Float32Array, at: number, size: number, scale: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let a = 0; a < size; a++) {
    for (let b = 0; b <= a; b++) {
      const value = scale * (values[at++] ?? 0);
      matrix[a * size + b] = value;
      matrix[b * size + a] = value;
    }
  }
  return matrix;
}

/** x ← A⁻¹·x by Cholesky, of which the lower triangle of A is overwritten; what noise made negative counts as tiny. */
function solvePositive(a: Float64Array, x: Float64Array): void {
  const n = x.length;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += Math.abs(a[i * n + i] ?? 0);
  const floor = Math.max((trace / n) * 1e-3, 1e-30);
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = a[i * n + j] ?? 0;
      for (let m = 0; m < j; m++) sum -= (a[i * n + m] ?? 0) * (a[j * n + m] ?? 0);
      a[i * n + j] = i === j ? Math.sqrt(Math.max(sum, floor)) : sum / (a[j * n + j] ?? 1);
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = x[i] ?? 0;
    for (let m = 0; m < i; m++) sum -= (a[i * n + m] ?? 0) * (x[m] ?? 0);
    x[i] = sum / (a[i * n + i] ?? 1);
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = x[i] ?? 0;
    for (let m = i + 1; m < n; m++) sum -= (a[m * n + i] ?? 0) * (x[m] ?? 0);
    x[i] = sum / (a[i * n + i] ?? 1);
  }
}
