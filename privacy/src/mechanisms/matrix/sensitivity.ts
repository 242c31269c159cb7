import { requireInteger } from "../../parameters.js";
import { MOST_STEPS } from "./strategy.js";

/** How often, and how far apart, one participant takes part in a run of steps. */
export interface Participation {
  readonly steps: number;
  /** Two steps of the same participant are at least this far apart. */
  readonly minSeparation: number;
  readonly maxParticipations: number;
}

/**
 * The L2 sensitivity of x ↦ Cx, C a lower-triangular Toeplitz matrix, when each of a participant's contributions has
 * norm at most 1: the largest of ‖Σ C·,i uᵢ‖ over all steps i it may take part in and all unit vectors uᵢ.
 *
 * Exact when the coefficients are non-negative and do not rise (the first participation comes first and the others as
 * early as allowed: Kalinin and Lampert, "Banded Square Root Matrix Factorization for Differentially Private Model
 * Training" 2024, Theorem 2), and when columns a participant can touch do not overlap (at most minSeparation bands). For
 * other coefficients, the sensitivity of the least non-rising sequence above their magnitudes: an upper bound.
 *
 * @param coefficients c₀, c₁, …; those after the last are zero
 * @param participation who may come back when
 * @throws PrivacyError INVALID_PARAMETER
 */
export function toeplitzSensitivity(coefficients: Float64Array, participation: Participation): number {
  const { steps, minSeparation } = participation;
  requireInteger("steps", steps, 1, MOST_STEPS);
  requireInteger("minSeparation", minSeparation, 1);
  requireInteger("maxParticipations", participation.maxParticipations, 1);
  const times = Math.min(participation.maxParticipations, Math.ceil(steps / minSeparation));
  const bands = Math.min(coefficients.length, steps);
  if (bands <= minSeparation) {
    // Disjoint columns; only the last may be cut off by the end of the run.
    const whole = sumOfSquares(coefficients, bands);
    const last = Math.min(bands, steps - (times - 1) * minSeparation);
    return Math.sqrt((times - 1) * whole + sumOfSquares(coefficients, last));
  }
  const envelope = coefficients.slice(0, bands).map(Math.abs);
  for (let t = bands - 2; t >= 0; t--) {
    envelope[t] = Math.max(envelope[t] ?? 0, envelope[t + 1] ?? 0);
  }
  // Σ over participations at 0, b, 2b, …: a running sum with stride b, from which the earliest drop out after `times`.
  const sums = new Float64Array(steps);
  let total = 0;
  for (let t = 0; t < steps; t++) {
    let sum = t < bands ? (envelope[t] ?? 0) : 0;
    if (t >= minSeparation) {
      sum += sums[t - minSeparation] ?? 0;
    }
    sums[t] = sum;
    const dropped = t - times * minSeparation;
    const kept = dropped >= 0 ? sum - (sums[dropped] ?? 0) : sum;
    total += kept * kept;
  }
  return Math.sqrt(total);
}

function sumOfSquares(values: Float64Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] ?? 0;
    sum += value * value;
  }
  return sum;
}

/**
 * The squared L2 sensitivity of releasing every complete node of a binary tree over the steps ("tree aggregation without
 * restarts"), or an upper bound on it: the sum, over levels, of the most that a participant can add to a level, which is
 * Σ n² over its nodes with n participations in each. Levels may reach their most with different participations; where the
 * same ones serve all levels the result is exact.
 * Source of the mechanism: Kairouz et al., "Practical and Private (Deep) Learning without Sampling or Shuffling" (2021).
 *
 * @param participation who may come back when
 * @throws PrivacyError INVALID_PARAMETER
 */
export function treeSensitivitySquared(participation: Participation): number {
  const { steps, minSeparation } = participation;
  requireInteger("steps", steps, 1, MOST_STEPS);
  requireInteger("minSeparation", minSeparation, 1);
  requireInteger("maxParticipations", participation.maxParticipations, 1);
  const times = Math.min(participation.maxParticipations, Math.ceil(steps / minSeparation));
  let total = 0;
  for (let size = 1; size <= steps; size *= 2) {
    total += levelMost(size, Math.floor(steps / size), minSeparation, times);
  }
  return total;
}

/** The most that Σ n² over `nodes` neighbouring nodes of `size` steps can be. */
function levelMost(size: number, nodes: number, separation: number, times: number): number {
  if (size <= separation) {
    // One participation a node at most.
    return Math.min(times, Math.ceil((nodes * size) / separation));
  }
  // Node by node, with the first step allowed in it: taking one fewer than fits frees the next node's first step.
  const capacity = Math.ceil(size / separation);
  const byLimit = Math.floor(times / capacity) * capacity * capacity + (times % capacity) ** 2;
  let states = new Map<number, number>([[0, 0]]);
  for (let node = 0; node < nodes; node++) {
    const next = new Map<number, number>();
    const reach = (offset: number, value: number): void => {
      next.set(offset, Math.max(next.get(offset) ?? 0, value));
    };
    for (const [offset, value] of states) {
      const fits = offset >= size ? 0 : Math.floor((size - 1 - offset) / separation) + 1;
      reach(Math.max(0, offset + fits * separation - size), value + fits * fits);
      if (fits > 0) {
        reach(Math.max(0, offset + (fits - 1) * separation - size), value + (fits - 1) ** 2);
      }
    }
    states = next;
    if (states.size > 4096) {
      return byLimit;
    }
  }
  return Math.min(byLimit, Math.max(...states.values()));
}
