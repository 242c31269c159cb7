// A ridge regression of rewards on contexts, for one arm: its mean and its uncertainty at a context.
import type { ArmMoments } from "./bandit.js";

/** A = λI + Σ x xᵀ and b = Σ r x, with A⁻¹ kept up to date by Sherman and Morrison's formula. */
export class LinearArm {
  readonly dimension: number;
  readonly #inverse: Float64Array;
  readonly #rewards: Float64Array;

  /**
   * @param ridge λ, above 0
   * @param prior moments of many devices
   * @param priorDecisions as how many decisions of this device they count, at most
   */
  constructor(dimension: number, ridge: number, prior: ArmMoments | undefined, priorDecisions: number) {
    this.dimension = dimension;
    const matrix = new Float64Array(dimension * dimension);
    for (let i = 0; i < dimension; i++) matrix[i * dimension + i] = ridge;
    this.#rewards = new Float64Array(dimension);
    if (prior !== undefined && prior.decisions >= 1) {
      const scale = Math.min(1, priorDecisions / prior.decisions);
      for (let i = 0; i < dimension * dimension; i++) matrix[i] = (matrix[i] ?? 0) + scale * (prior.gram[i] ?? 0);
      for (let i = 0; i < dimension; i++) this.#rewards[i] = scale * (prior.rewards[i] ?? 0);
    }
    this.#inverse = invertedPositive(matrix, dimension, ridge);
  }

  /** Expected reward at a context, and x ᵀA⁻¹x. */
  at(context: readonly number[]): { readonly mean: number; readonly variance: number } {
    const solved = this.#times(context);
    let mean = 0;
    let variance = 0;
    for (let i = 0; i < this.dimension; i++) {
      mean += (solved[i] ?? 0) * (this.#rewards[i] ?? 0);
      variance += (solved[i] ?? 0) * (context[i] ?? 0);
    }
    return { mean, variance: Math.max(variance, 0) };
  }

  learn(context: readonly number[], reward: number): void {
    const { dimension } = this;
    const solved = this.#times(context);
    const denominator = 1 + solved.reduce((sum, each, i) => sum + each * (context[i] ?? 0), 0);
    for (let i = 0; i < dimension; i++) {
      for (let j = 0; j < dimension; j++) {
        const at = i * dimension + j;
        this.#inverse[at] = (this.#inverse[at] ?? 0) - ((solved[i] ?? 0) * (solved[j] ?? 0)) / denominator;
      }
      this.#rewards[i] = (this.#rewards[i] ?? 0) + reward * (context[i] ?? 0);
    }
  }

  #times(context: readonly number[]): Float64Array {
    const { dimension } = this;
    const out = new Float64Array(dimension);
    for (let i = 0; i < dimension; i++) {
      for (let j = 0; j < dimension; j++)
        out[i] = (out[i] ?? 0) + (this.#inverse[i * dimension + j] ?? 0) * (context[j] ?? 0);
    }
    return out;
  }
}

/**
 * The inverse of a symmetric matrix by Cholesky's decomposition. Noise can take from a sum of squares that it is positive: pivots
 * are then lifted to the ridge, which makes the model surer of nothing.
 */
function invertedPositive(matrix: Float64Array, n: number, ridge: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = ((matrix[i * n + j] ?? 0) + (matrix[j * n + i] ?? 0)) / 2;
      for (let k = 0; k < j; k++) sum -= (lower[i * n + k] ?? 0) * (lower[j * n + k] ?? 0);
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, ridge)) : sum / (lower[j * n + j] ?? 1);
    }
  }
  const inverse = new Float64Array(n * n);
  for (let column = 0; column < n; column++) {
    const x = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let sum = i === column ? 1 : 0;
      for (let k = 0; k < i; k++) sum -= (lower[i * n + k] ?? 0) * (x[k] ?? 0);
      x[i] = sum / (lower[i * n + i] ?? 1);
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = x[i] ?? 0;
      for (let k = i + 1; k < n; k++) sum -= (lower[k * n + i] ?? 0) * (x[k] ?? 0);
      x[i] = sum / (lower[i * n + i] ?? 1);
    }
    for (let i = 0; i < n; i++) inverse[i * n + column] = x[i] ?? 0;
  }
  return inverse;
}
