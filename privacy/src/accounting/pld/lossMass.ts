/**
 * The distribution of the privacy loss ln(P/Q) under P, on a grid: probability `mass[j]` at loss
 * `interval · (first + stride · j)`, and `infinite` at an unbounded loss. It dominates the mechanism it was made from:
 * the hockey-stick divergence it gives is an upper bound at every ε.
 */
export interface LossMass {
  readonly interval: number;
  /** Grid index of the first entry; an integer. */
  readonly first: number;
  readonly mass: Float64Array;
  readonly infinite: number;
}

/** A pair of dominating distributions, one for each direction of the neighbouring relation. */
export interface LossPair {
  readonly remove: LossMass;
  /** Equal to `remove` when the mechanism is symmetric. */
  readonly add: LossMass;
}

/** @returns the same with the empty ends of the grid cut off; at least one entry is left */
export function trimmed(loss: LossMass): LossMass {
  const { mass } = loss;
  let start = 0;
  while (start < mass.length - 1 && !((mass[start] ?? 0) > 0)) {
    start += 1;
  }
  let end = mass.length;
  while (end > start + 1 && !((mass[end - 1] ?? 0) > 0)) {
    end -= 1;
  }
  return { ...loss, first: loss.first + start, mass: mass.subarray(start, end) };
}

/** Mean and variance of the finite part, each entry weighted with its mass. */
export function moments(loss: LossMass): { readonly mean: number; readonly variance: number } {
  let sum = 0;
  let first = 0;
  for (let j = 0; j < loss.mass.length; j++) {
    const p = loss.mass[j] ?? 0;
    sum += p;
    first += p * j;
  }
  const centre = sum > 0 ? first / sum : 0;
  let second = 0;
  for (let j = 0; j < loss.mass.length; j++) {
    second += (loss.mass[j] ?? 0) * (j - centre) ** 2;
  }
  return {
    mean: loss.interval * (loss.first + centre),
    variance: sum > 0 ? (loss.interval * loss.interval * second) / sum : 0,
  };
}
