// Which subtrees a proof consists of, as ranges of leaves: the recursion of RFC 6962 §2.1.1 and §2.1.2, apart from
// where the hashes come from (memory, or tiles).

/** Leaves [start, end) under one hash. */
export type LeafRange = readonly [start: number, end: number];

/** The largest power of two below `size`, which is at least 2: where RFC 6962 splits a tree. */
export function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** Ranges of an audit path, leaf to root. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const path: LeafRange[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      path.push([middle, end]);
      end = middle;
    } else {
      path.push([start, middle]);
      start = middle;
    }
  }
  return path.reverse();
}

/** Ranges of a consistency proof; none for equal sizes and for an old size of 0. */
export function consistencyRanges(oldSize: number, newSize: number): LeafRange[] {
  if (oldSize === 0 || oldSize === newSize) return [];
  const path: LeafRange[] = [];
  let start = 0;
  let end = newSize;
  while (oldSize !== end) {
    const middle = start + splitOf(end - start);
    if (oldSize <= middle) {
      path.push([middle, end]);
      end = middle;
    } else {
      path.push([start, middle]);
      start = middle;
    }
  }
  // The verifier knows the old root already when the old tree is a left-most complete subtree.
  if (start > 0) path.push([start, end]);
  return path.reverse();
}
