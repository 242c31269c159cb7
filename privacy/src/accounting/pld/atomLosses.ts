import { type Atoms, bucketOf } from "./atoms.js";

/**
 * One release of a discrete mechanism: its δ(ε) straight from its outcomes, without a grid in memory. Losses move up to the
 * grid nevertheless, so that the answer is that of a composition of one.
 */
export class AtomLosses {
  /** Descending, with the mass under P of each. */
  readonly #losses: Float64Array;
  readonly #masses: Float64Array;
  readonly #infinite: number;

  constructor({ losses, masses, infinite }: Atoms, interval: number) {
    this.#infinite = infinite;
    const moved = losses.map((loss) => bucketOf(loss, interval) * interval);
    if (isAscending(moved)) {
      this.#losses = moved.reverse();
      this.#masses = masses.slice().reverse();
      return;
    }
    const order = Uint32Array.from(moved.keys()).sort((a, b) => (moved[b] ?? 0) - (moved[a] ?? 0));
    this.#losses = Float64Array.from(order, (at) => moved[at] ?? 0);
    this.#masses = Float64Array.from(order, (at) => masses[at] ?? 0);
  }

  /** Σ mass·(1 − e^(ε − loss)) over losses above ε, plus what is infinite. */
  delta(epsilon: number): number {
    let delta = this.#infinite;
    for (let i = 0; i < this.#losses.length; i++) {
      const loss = this.#losses[i] ?? 0;
      if (loss <= epsilon) break;
      delta -= (this.#masses[i] ?? 0) * Math.expm1(epsilon - loss);
    }
    return Math.min(1, delta);
  }

  /** The smallest ε ≥ 0 whose δ is at most the given one; infinite when the unbounded part alone exceeds δ. */
  epsilon(delta: number): number {
    const left = delta - this.#infinite;
    if (left < 0) return Number.POSITIVE_INFINITY;
    // Between two losses δ is above − e^ε·weighted, where `weighted` is the mass above under Q.
    let above = 0;
    let weighted = 0;
    for (let i = 0; i < this.#losses.length; i++) {
      const loss = this.#losses[i] ?? 0;
      if (loss <= 0) break;
      above += this.#masses[i] ?? 0;
      weighted += (this.#masses[i] ?? 0) * Math.exp(-loss);
      const next = Math.max(0, this.#losses[i + 1] ?? 0);
      if (above - Math.exp(next) * weighted > left) return Math.log((above - left) / weighted);
    }
    return 0;
  }
}

function isAscending(values: Float64Array): boolean {
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) < (values[i - 1] ?? 0)) return false;
  return true;
}
