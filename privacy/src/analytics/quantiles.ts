import { Z_95 } from "../statistics/normal.js";
import type { Estimate } from "./interval.js";
import type { QuantilesQuery } from "./query.js";
import { countTree } from "./tree.js";

/** Where a function of the places 0 … size first reaches 0, linear in between. Under noise it need not ascend. */
function firstCrossing(size: number, target: (place: number) => number): number {
  for (let place = 1; place <= size; place++) {
    const after = target(place);
    if (after < 0) continue;
    const before = target(place - 1);
    const share = after === before ? 1 : -before / (after - before);
    return place - 1 + Math.min(Math.max(share, 0), 1);
  }
  return size;
}

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

/**
 * Quantiles of the participants' bounded numbers. The interval is Woodruff's (1952), with the noise's variance in place
 * of the sample's: from the first to the last number whose noised rank cannot be told from the one asked for. Within a
 * leaf people are taken to be spread at random, which adds a little. Where a leaf holds fewer people than the noise counts,
 * the interval covers more than it has to.
 */
export function quantileEstimates(query: QuantilesQuery, sums: ArrayLike<number>, noiseVariance: number): Estimate[] {
  const { levels, lower, upper } = query;
  const tree = countTree(sums, levels, noiseVariance);
  const size = 2 ** levels;
  const total = tree.prefix(size);
  const width = (upper - lower) / size;
  const ascending = isotonic(Float64Array.from({ length: size + 1 }, (_, place) => tree.prefix(place)));
  return query.at.map((quantile) => {
    const excess = (place: number): number => (ascending[place] ?? 0) - quantile * total;
    const half = (place: number): number => Z_95 * Math.sqrt(tree.variance(place, quantile));
    const value = lower + width * firstCrossing(size, excess);
    // People spread at random over a leaf of n: their rank at a part f of it is off by a Brownian bridge, √(f(1−f)/n).
    const leaf = (value - lower) / width;
    const part = leaf - Math.floor(leaf);
    const place = Math.min(Math.floor(leaf), size - 1);
    const people = Math.max((ascending[place + 1] ?? 0) - (ascending[place] ?? 0), 1);
    const spread = Z_95 * width * Math.sqrt((part * (1 - part)) / people);
    const first = lower + width * firstCrossing(size, (place) => excess(place) + half(place));
    // Seen from the upper end, the last crossing is the first.
    const last = upper - width * firstCrossing(size, (place) => half(size - place) - excess(size - place));
    const interval = [
      Math.max(value - Math.hypot(value - first, spread), lower),
      Math.min(value + Math.hypot(last - value, spread), upper),
    ] as const;
    const deviation = (interval[1] - interval[0]) / (2 * Z_95);
    return { value, noiseVariance: deviation * deviation, interval };
  });
}
