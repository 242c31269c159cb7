import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { averagingStep } from "../fedavg.js";
import { numberSettings, POSITIVE } from "../settings.js";
import { type PerUpdateStrategy, type StrategySettings, sameLength } from "../strategy.js";

/** How many of n updates may be poisoned. */
function poisonedOf(n: number, fraction: number): number {
  return Math.ceil(fraction * n);
}

/** The least n with 2f + 2 < n, f being a part of n. */
function leastUpdates(fraction: number): number {
  let n = 3;
  while (2 * poisonedOf(n, fraction) + 2 >= n) n++;
  return n;
}

/**
 * Krum's scores (Blanchard et al. 2017, section 4): Σ of the squared distances of each vector to its n − f − 2 nearest others.
 *
 * @param poisoned f, of which 2f + 2 < n
 */
export async function krumScores(vectors: readonly Float32Array[], poisoned: number): Promise<Float64Array> {
  const n = vectors.length;
  const distances = Array.from({ length: n }, () => new Float64Array(n));
  for (const [i, left] of vectors.entries()) {
    for (let j = i + 1; j < n; j++) {
      const squared = squaredDistance(left, vectors[j] ?? left);
      distances[i]?.fill(squared, j, j + 1);
      distances[j]?.fill(squared, i, i + 1);
    }
    await yieldToEventLoop();
  }
  const nearest = Math.max(n - poisoned - 2, 1);
  return Float64Array.from(distances, (row) => {
    // The first is the distance to itself.
    return row
      .sort()
      .subarray(1, 1 + nearest)
      .reduce((sum, squared) => sum + squared, 0);
  });
}

function squaredDistance(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

async function meanOfBest(vectors: readonly Float32Array[], poisoned: number, kept: number): Promise<Float32Array> {
  const scores = await krumScores(vectors, poisoned);
  const best = [...scores.keys()].sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || a - b).slice(0, kept);
  const mean = new Float32Array(vectors[0]?.length ?? 0);
  for (const row of best) {
    const vector = vectors[row];
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + (vector?.[i] ?? 0) / best.length;
  }
  return mean;
}

const SETTINGS = {
  learningRate: { fallback: 1, ...POSITIVE },
  poisonedFraction: { fallback: 0.1, minimum: 0, maximum: 0.45 },
} as const;

/**
 * Krum (Blanchard et al. 2017): θ ← θ + η·u, u the one update that is nearest to most others. Holds while at most
 * f = ⌈`poisonedFraction`·n⌉ of the n updates are poisoned, and 2f + 2 < n. Settings: `learningRate` η 1, `poisonedFraction` 0.1.
 */
export function krum(settings: StrategySettings): PerUpdateStrategy {
  const { learningRate, poisonedFraction } = numberSettings("krum", settings, SETTINGS);
  return {
    family: "per-update",
    id: "krum",
    minimumVectors: leastUpdates(poisonedFraction),
    updateLength: sameLength,
    combine: (updates) => meanOfBest(updates, poisonedOf(updates.length, poisonedFraction), 1),
    apply: (result) => averagingStep(result, learningRate),
  };
}

/**
 * Multi-Krum (Blanchard et al. 2017, section 4): the mean of the n − f updates with the least Krum scores; f and settings as
 * for Krum.
 */
export function multiKrum(settings: StrategySettings): PerUpdateStrategy {
  const { learningRate, poisonedFraction } = numberSettings("multi-krum", settings, SETTINGS);
  return {
    family: "per-update",
    id: "multi-krum",
    minimumVectors: leastUpdates(poisonedFraction),
    updateLength: sameLength,
    combine: (updates) => {
      const poisoned = poisonedOf(updates.length, poisonedFraction);
      return meanOfBest(updates, poisoned, updates.length - poisoned);
    },
    apply: (result) => averagingStep(result, learningRate),
  };
}
