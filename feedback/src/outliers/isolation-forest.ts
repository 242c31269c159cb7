// Liu, Ting, Zhou, Isolation-based anomaly detection (2012), with a random that can be seeded: the same forest everywhere.
import { type RandomNumbers, seededNumbers } from "../random/numbers.js";
import type { OutlierDetector } from "./detector.js";

/** How a forest grows. */
export interface IsolationForestOptions {
  readonly seed: string | number;
  /** 100 unless given. */
  readonly trees?: number;
  /** Rows that each tree is grown from; 256 unless given. */
  readonly sample?: number;
}

type Tree =
  | { readonly type: "leaf"; readonly size: number }
  | {
      readonly type: "split";
      readonly column: number;
      readonly at: number;
      readonly below: Tree;
      readonly above: Tree;
    };

const EULER = 0.5772156649015329;

/** Mean depth of an unsuccessful search in a binary search tree of n rows. */
function meanDepth(n: number): number {
  if (n <= 1) return 0;
  return n === 2 ? 1 : 2 * (Math.log(n - 1) + EULER) - (2 * (n - 1)) / n;
}

function grow(rows: readonly (readonly number[])[], depthLeft: number, random: RandomNumbers): Tree {
  const leaf: Tree = { type: "leaf", size: rows.length };
  if (rows.length <= 1 || depthLeft === 0) return leaf;
  const ranges = (rows[0] ?? []).flatMap((_, column) => {
    const values = rows.map((row) => row[column] ?? 0);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low < high ? [{ column, low, high }] : [];
  });
  const range = ranges[random.below(Math.max(ranges.length, 1))];
  if (range === undefined) return leaf;
  const { column, low, high } = range;
  const at = low + random.uniform() * (high - low);
  const below = rows.filter((row) => (row[column] ?? 0) < at);
  const above = rows.filter((row) => (row[column] ?? 0) >= at);
  return {
    type: "split",
    column,
    at,
    below: grow(below, depthLeft - 1, random),
    above: grow(above, depthLeft - 1, random),
  };
}

function depthOf(row: readonly number[], tree: Tree): number {
  let depth = 0;
  let node = tree;
  while (node.type === "split") {
    node = (row[node.column] ?? 0) < node.at ? node.below : node.above;
    depth += 1;
  }
  return depth + meanDepth(node.size);
}

/**
 * A forest in which strange rows are isolated early. Scores lie between 0 and 1; about one half is usual.
 *
 * @param reference usual rows
 */
export function isolationForest(
  reference: readonly (readonly number[])[],
  { seed, trees = 100, sample = 256 }: IsolationForestOptions,
): OutlierDetector {
  const random = seededNumbers(`isolation-forest ${seed}`);
  const size = Math.min(sample, reference.length);
  const limit = Math.ceil(Math.log2(Math.max(size, 2)));
  const forest = Array.from({ length: trees }, () => {
    const rows = random.shuffle([...reference]).slice(0, size);
    return grow(rows, limit, random);
  });
  const scale = meanDepth(size) || 1;
  return {
    name: "isolation-forest",
    score(row) {
      const depth = forest.reduce((sum, tree) => sum + depthOf(row, tree), 0) / trees;
      return 2 ** (-depth / scale);
    },
  };
}
