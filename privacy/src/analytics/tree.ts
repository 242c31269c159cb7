// Counts over a range by a binary tree: each participant counts once in each level, so that any prefix is a sum of few
// nodes. What the levels say of each other is used by least squares (Hay et al. 2010), here in the basis of Haar wavelets,
// in which the normal equations of a complete tree are diagonal.

/** A tree of noised counts, made consistent. */
export interface CountTree {
  /** Least-squares counts of the leaves; may be negative. */
  readonly leaves: Float64Array;
  /** Count before a place, 0 … leaves.length; within a leaf people are spread evenly. */
  prefix(place: number): number;
  /** Mean of `prefix` from place − half to place + half, which have to lie within 0 … leaves.length. */
  smoothed(place: number, half: number): number;
  /** Noise variance of `smoothed(place, half) − share · prefix(leaves.length)`. */
  variance(place: number, share: number, half?: number): number;
}

/** ∫ from 0 to `at` of the weight of a person in `smoothed(place, half)`: 1 before the window, falling to 0 over it. */
export function smoothedWeight(place: number, half: number, at: number): number {
  if (at <= place - half) return at;
  const inside = Math.min(at, place + half) - (place - half);
  return place - half + (half === 0 ? 0 : inside - (inside * inside) / (4 * half));
}

/**
 * Eigenvalue of AᵀA for wavelets whose support is a node of a level: blocks of ones of all levels below, whose size
 * halves: 2^(L−l) − 1; for the constant it is 2^L − 1.
 */
function eigenvalue(levels: number, level: number): number {
  return 2 ** (levels - level) - 1;
}

/**
 * @param nodes noised counts, level after level from below the root, 2^(levels+1) − 2 of them
 * @param noiseVariance of each node
 */
export function countTree(nodes: ArrayLike<number>, levels: number, noiseVariance: number): CountTree {
  const size = 2 ** levels;
  // Aᵀy: each leaf gets the counts of the nodes above it.
  let above = new Float64Array([0]);
  for (let level = 1; level <= levels; level++) {
    const next = new Float64Array(2 ** level);
    for (let i = 0; i < next.length; i++) next[i] = (above[i >> 1] ?? 0) + (nodes[2 ** level - 2 + i] ?? 0);
    above = next;
  }
  const leaves = solved(above, levels);
  const prefixes = new Float64Array(size + 1);
  // ∫ of the prefix: what its means over windows are made of.
  const integrals = new Float64Array(size + 1);
  for (let i = 0; i < size; i++) {
    prefixes[i + 1] = (prefixes[i] ?? 0) + (leaves[i] ?? 0);
    integrals[i + 1] = (integrals[i] ?? 0) + (prefixes[i] ?? 0) + (leaves[i] ?? 0) / 2;
  }
  const prefix = (place: number): number => {
    const leaf = Math.floor(place);
    return (prefixes[leaf] ?? 0) + (place - leaf) * (leaves[leaf] ?? 0);
  };
  const integral = (place: number): number => {
    const leaf = Math.floor(place);
    const part = place - leaf;
    return (integrals[leaf] ?? 0) + part * ((prefixes[leaf] ?? 0) + (part * (leaves[leaf] ?? 0)) / 2);
  };
  return {
    leaves,
    prefix,
    smoothed: (place, half) =>
      half < NARROWEST ? prefix(place) : (integral(place + half) - integral(place - half)) / (2 * half),
    variance: (place, share, half = 0) => noiseVariance * smoothedForm(levels, place, share, half),
  };
}

/** Windows of less than this part of a leaf are places. */
const NARROWEST = 1e-6;

/** (AᵀA)⁻¹ times a vector, wavelet by wavelet. */
function solved(right: Float64Array, levels: number): Float64Array {
  const size = 2 ** levels;
  const out = new Float64Array(size);
  let total = 0;
  for (const value of right) total += value;
  out.fill(total / size / eigenvalue(levels, 0));
  let sums = right;
  for (let level = levels - 1; level >= 0; level--) {
    const halved = new Float64Array(2 ** level);
    const width = 2 ** (levels - level);
    for (let i = 0; i < halved.length; i++) {
      const left = sums[2 * i] ?? 0;
      const rightHalf = sums[2 * i + 1] ?? 0;
      halved[i] = left + rightHalf;
      const amount = (left - rightHalf) / width / eigenvalue(levels, level);
      for (let j = 0; j < width; j++) {
        const place = i * width + j;
        out[place] = (out[place] ?? 0) + (j < width / 2 ? amount : -amount);
      }
    }
    sums = halved;
  }
  return out;
}

/**
 * cᵀ(AᵀA)⁻¹c for c = each leaf's weight in a smoothed prefix, less the share everywhere: only wavelets that the window
 * touches count, since all others see a constant.
 */
function smoothedForm(levels: number, place: number, share: number, half: number): number {
  const size = 2 ** levels;
  const window = half < NARROWEST ? 0 : half;
  const constant = smoothedWeight(place, window, size) - share * size;
  let form = (constant * constant) / size / (size - 1);
  for (let width = size; width > 1; width /= 2) {
    const first = Math.floor((place - window) / width);
    const last = Math.min(Math.floor((place + window) / width), size / width - 1);
    for (let start = first * width; start <= last * width; start += width) {
      const ends = smoothedWeight(place, window, start) + smoothedWeight(place, window, start + width);
      const product = 2 * smoothedWeight(place, window, start + width / 2) - ends;
      form += (product * product) / width / (width - 1);
    }
  }
  return form;
}
