import { type LossMass, moments } from "./lossMass.js";

/** A distribution, and how often it is composed. */
export interface Repeated {
  readonly loss: LossMass;
  readonly count: number;
}

/** Where the losses of a composition lie, without composing: Chernoff bounds from moment generating functions. */
export class LossRange {
  readonly #parts: readonly Repeated[];
  readonly #moments = new Map<number, number>();
  readonly #firstOrder: number;
  readonly #highestOrder: number;
  /** Smallest and largest loss that the finite parts can add up to. */
  readonly least: number;
  readonly most: number;
  readonly standardDeviation: number;
  /** Probability of an infinite loss. */
  readonly infinite: number;

  constructor(parts: readonly Repeated[]) {
    this.#parts = parts;
    let least = 0;
    let most = 0;
    let variance = 0;
    let widest = 0;
    let logKept = 0;
    for (const { loss, count } of parts) {
      const last = loss.first + loss.mass.length - 1;
      least += count * loss.first * loss.interval;
      most += count * last * loss.interval;
      widest = Math.max(widest, (loss.mass.length - 1) * loss.interval);
      variance += count * moments(loss).variance;
      logKept += count * Math.log1p(-loss.infinite);
    }
    this.least = least;
    this.most = most;
    this.infinite = -Math.expm1(logKept);
    this.standardDeviation = Math.sqrt(variance);
    // Beyond this order e^(order · width) would overflow.
    this.#highestOrder = widest > 0 ? 600 / widest : 1;
    this.#firstOrder = Math.min(this.#highestOrder, 4 / Math.max(this.standardDeviation, 1e-300));
  }

  /** A loss that the composition exceeds with probability at most `tail`. */
  above(tail: number): number {
    const best = this.#smallest((order) => (this.#logMoment(order) - Math.log(tail)) / order);
    return Math.max(this.least, Math.min(this.most, best));
  }

  /** A loss that the composition falls below with probability at most `tail`. */
  below(tail: number): number {
    const best = this.#smallest((order) => (this.#logMoment(-order) - Math.log(tail)) / order);
    return Math.min(this.most, Math.max(this.least, -best));
  }

  /** An ε that holds at `delta`, from the moments alone: P(L > ε) ≤ δ implies it. */
  epsilonFor(delta: number): number {
    return delta > 0 ? this.above(delta) : this.most;
  }

  /** The least of a function of the order that falls, then rises: walked on a geometric lattice. */
  #smallest(bound: (order: number) => number): number {
    let best = bound(this.#firstOrder);
    for (const factor of [Math.SQRT2, Math.SQRT1_2]) {
      for (let order = this.#firstOrder * factor; order <= this.#highestOrder; order *= factor) {
        const value = bound(order);
        if (!(value < best)) {
          break;
        }
        best = value;
      }
    }
    return best;
  }

  #logMoment(order: number): number {
    let value = this.#moments.get(order);
    if (value === undefined) {
      value = logMoment(this.#parts, order);
      this.#moments.set(order, value);
    }
    return value;
  }
}

/** ln E[e^(order·L)] of a composition's finite part, rounded up. */
function logMoment(parts: readonly Repeated[], order: number): number {
  let total = 0;
  for (const { loss, count } of parts) {
    const { mass, interval } = loss;
    const factor = Math.exp(-Math.abs(order) * interval);
    let weight = 1;
    let sum = 0;
    // From the end where the exponential is largest, so that what underflows does not matter.
    if (order > 0) {
      for (let j = mass.length - 1; j >= 0; j--) {
        sum += (mass[j] ?? 0) * weight;
        weight *= factor;
      }
      total += count * (Math.log(sum) + order * interval * (loss.first + mass.length - 1));
    } else {
      for (let j = 0; j < mass.length; j++) {
        sum += (mass[j] ?? 0) * weight;
        weight *= factor;
      }
      total += count * (Math.log(sum) + order * interval * loss.first);
    }
    // Weights carry an error of 2^-53 for each step.
    total += count * mass.length * 2 ** -52;
  }
  return total;
}
