// Quantiles over participants: where the noised distribution function, smoothed as far as the noise makes it rough,
// cannot be told from the rank that is asked for.
import { Z_95 } from "../statistics/normal.js";
import type { Estimate } from "./interval.js";
import type { QuantilesQuery } from "./query.js";
import { type CountTree, countTree, smoothedWeight } from "./tree.js";

/**
 * Half of the window of smoothing, as a part of half of a one-σ interval. Measured over exponential, normal, uniform, skewed
 * and two-peaked populations: without smoothing the noise makes the function go up and down within the interval, which then
 * covers in 97 to 100 of 100; at 0.5 the window blurs the gap between two peaks, and there it covers in 87.
 */
const SMOOTHING = 0.35;
/** Halvings of a leaf in which an end is looked for. */
const HALVINGS = 40;

/** The ascending numbers nearest to some, by least squares: what is out of order is pooled (Ayer et al. 1955). */
function isotonic(values: Float64Array): Float64Array {
  const means: number[] = [];
  const sizes: number[] = [];
  for (const value of values) {
    let mean = value;
    let size = 1;
    while ((means.at(-1) ?? Number.NEGATIVE_INFINITY) > mean) {
      const before = sizes.pop() ?? 0;
      mean = (mean * size + (means.pop() ?? 0) * before) / (size + before);
      size += before;
    }
    means.push(mean);
    sizes.push(size);
  }
  return Float64Array.from(means.flatMap((mean, block) => new Array<number>(sizes[block] ?? 0).fill(mean)));
}

/** Variance of a smoothed rank around the true one, beside the noise: what leaves do not tell of their people. */
function leafVariance(
  tree: CountTree,
  ascending: Float64Array,
  noiseVariance: number,
  place: number,
  half: number,
): number {
  const size = tree.leaves.length;
  let variance = 0;
  // People spread at random over each leaf: their weight in the smoothed rank, against whether they are before the place.
  for (let leaf = Math.floor(place - half); leaf < Math.min(place + half, size); leaf++) {
    const people = (ascending[leaf + 1] ?? 0) - (ascending[leaf] ?? 0);
    const weight = smoothedWeight(place, half, leaf + 1) - smoothedWeight(place, half, leaf);
    const before = Math.min(Math.max(place - leaf, 0), 1);
    variance += people * (weight * weight * (1 - before) + (1 - weight) ** 2 * before);
  }
  // Where they are denser towards one end, by as much as leaves beside differ beyond noise, ranks within bend by g·f(1−f)/2.
  const leaf = Math.min(Math.floor(place), size - 1);
  const own = tree.leaves[leaf] ?? 0;
  const steps = [tree.leaves[leaf - 1] ?? own, tree.leaves[leaf + 1] ?? own].map((beside) => (beside - own) ** 2);
  const gradientSquared = Math.max(...steps) - 4 * noiseVariance;
  const part = place - leaf;
  return variance + (Math.max(gradientSquared, 0) * (part * (1 - part)) ** 2) / 4;
}

/** Where a function of the places 0 … size first reaches 0. */
function firstReach(size: number, target: (place: number) => number): number {
  if (target(0) >= 0) return 0;
  for (let edge = 1; edge <= size; edge++) {
    if (target(edge) < 0) continue;
    let [below, above] = [edge - 1, edge];
    for (let step = 0; step < HALVINGS; step++) {
      const middle = (below + above) / 2;
      if (target(middle) < 0) below = middle;
      else above = middle;
    }
    return above;
  }
  return size;
}

/**
 * Quantiles of the participants' bounded numbers. The interval is Woodruff's (1952), with the noise's variance in place
 * of the sample's: from the first to the last number whose noised rank cannot be told from the one asked for. Ranks are
 * means over a window that is narrow beside the interval, so that roughness of the noise does not widen it.
 */
export function quantileEstimates(query: QuantilesQuery, sums: ArrayLike<number>, noiseVariance: number): Estimate[] {
  const { levels, lower, upper } = query;
  const tree = countTree(sums, levels, noiseVariance);
  const size = 2 ** levels;
  const total = tree.prefix(size);
  const width = (upper - lower) / size;
  const ascending = isotonic(Float64Array.from({ length: size + 1 }, (_, place) => tree.prefix(place)));
  const edges = Array.from({ length: size + 1 }, (_, edge) => edge);
  const steepest = tree.leaves.reduce(
    (most, count, i) => Math.max(most, Math.abs(count - (tree.leaves[i - 1] ?? 0))),
    0,
  );
  const mostLeafVariance = (ascending[size] ?? 0) - (ascending[0] ?? 0) + (steepest * steepest) / 64;
  return query.at.map((quantile) => {
    // No rank has more: a mean's deviation is at most the largest of what it is made of. Most places are ruled out by it.
    const mostVariance = Math.max(...edges.map((edge) => tree.variance(edge, quantile))) + mostLeafVariance;
    const far = Z_95 * Math.sqrt(mostVariance);
    /** How many standard deviations a rank is above the one asked for. */
    const excess = (place: number, window: number): number => {
      const half = Math.min(window, place, size - place);
      const difference = tree.smoothed(place, half) - quantile * total;
      if (Math.abs(difference) > far) return difference < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      const variance = tree.variance(place, quantile, half) + leafVariance(tree, ascending, noiseVariance, place, half);
      return difference === 0 ? 0 : difference / Math.sqrt(variance);
    };
    const ends = (z: number, window: number): readonly [number, number] => [
      firstReach(size, (place) => excess(place, window) + z),
      // Seen from the upper end, the last place is the first.
      size - firstReach(size, (place) => z - excess(size - place, window)),
    ];
    const [left, right] = ends(1, 0);
    const window = (SMOOTHING * Math.max(right - left, 0)) / 2;
    const middle = ends(0, window);
    const value = lower + (width * (middle[0] + middle[1])) / 2;
    const [first, last] = ends(Z_95, window);
    const interval = [
      Math.max(Math.min(lower + width * first, value), lower),
      Math.min(Math.max(lower + width * last, value), upper),
    ] as const;
    const deviation = (interval[1] - interval[0]) / (2 * Z_95);
    return { value, noiseVariance: deviation * deviation, interval };
  });
}
