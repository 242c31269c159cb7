import type { ComposedLoss } from "./composition.js";

/**
 * The δ that a distribution of losses gives at ε: Σ mass·(1 − e^(ε − loss)) over losses above ε, plus what is infinite.
 *
 * @param epsilon at least 0
 */
export function deltaOf(loss: ComposedLoss, epsilon: number): number {
  let delta = 0;
  for (let j = loss.mass.length - 1; j >= 0; j--) {
    const value = loss.interval * (loss.first + loss.stride * j);
    if (value <= epsilon) {
      break;
    }
    delta -= (loss.mass[j] ?? 0) * Math.expm1(epsilon - value);
  }
  return Math.min(1, delta + loss.infinite);
}

/**
 * The smallest ε ≥ 0 whose δ is at most the given one.
 *
 * @param delta at least 0
 * @returns infinite when the unbounded part alone exceeds δ
 */
export function epsilonFor(loss: ComposedLoss, delta: number): number {
  const { interval, stride, mass } = loss;
  const left = delta - loss.infinite;
  if (left < 0) {
    return Number.POSITIVE_INFINITY;
  }
  const step = interval * stride;
  const keep = -Math.expm1(-step);
  // From the top: `above` is the mass over the current point, `excess` its hockey-stick divergence there.
  let above = 0;
  let excess = 0;
  let index = mass.length;
  while (index > 0) {
    const nextExcess = excess + (above - excess) * keep;
    if (nextExcess > left || interval * (loss.first + stride * index) <= 0) {
      break;
    }
    excess = nextExcess;
    index -= 1;
    above += mass[index] ?? 0;
  }
  // Below the point `index` all of `above` lies over ε: above − e^(ε − point)·(above − excess) = left.
  const point = interval * (loss.first + stride * index);
  const weighted = above - excess;
  if (above <= left) {
    return 0;
  }
  if (!(weighted > 1e-9 * above)) {
    return Math.max(0, point);
  }
  return Math.max(0, point + Math.log((above - left) / weighted));
}
