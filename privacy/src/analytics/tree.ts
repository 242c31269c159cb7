// Counts over a range by a binary tree: each participant counts once in each level, so that any prefix is a sum of few
// nodes. What the levels say of each other is used by least squares (Hay et al. 2010), here in the basis of Haar wavelets,
// in which the normal equations of a complete tree are diagonal.

/** A tree of noised counts, made consistent. */
export interface CountTree {
  /** Least-squares counts of the leaves; may be negative. */
  readonly leaves: Float64Array;
  /** Count of all leaves before a place, 0 … leaves.length. */
  prefix(place: number): number;
  /** Noise variance of `prefix(place) − share · prefix(leaves.length)`. */
  variance(place: number, share: number): number;
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
  for (let i = 0; i < size; i++) prefixes[i + 1] = (prefixes[i] ?? 0) + (leaves[i] ?? 0);
  return {
    leaves,
    prefix: (place) => prefixes[place] ?? 0,
    variance: (place, share) => noiseVariance * prefixForm(levels, place, share),
  };
}

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

/** cᵀ(AᵀA)⁻¹c for c = 1 before the place, less the share everywhere: only wavelets that straddle the place count. */
function prefixForm(levels: number, place: number, share: number): number {
  const size = 2 ** levels;
  const constant = place - share * size;
  let form = (constant * constant) / size / eigenvalue(levels, 0);
  for (let level = 0; level < levels; level++) {
    const width = 2 ** (levels - level);
    const offset = place % width;
    const product = Math.min(offset, width - offset);
    form += (product * product) / width / eigenvalue(levels, level);
  }
  return form;
}
