import { ClientError } from "../../errors.js";

/**
 * Examples as typed arrays, row after row. For a model of several inputs a row of features holds the values of each, one
 * after the other, and `featureShape` is how many that makes.
 */
export interface Examples {
  readonly features: Float32Array;
  /** Of one example. */
  readonly featureShape: readonly number[];
  readonly labels: Float32Array;
  /** Of one example; [classes] for one-hot labels. */
  readonly labelShape: readonly number[];
}

/** Numbers in a tensor of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** @returns how many there are @throws ClientError BAD_OPTION when arrays and shapes disagree */
export function countExamples({ features, featureShape, labels, labelShape }: Examples): number {
  const count = features.length / sizeOf(featureShape);
  if (Number.isInteger(count) && count === labels.length / sizeOf(labelShape)) return count;
  throw new ClientError(
    "BAD_OPTION",
    `expected as many rows of features as of labels, came ${features.length} and ${labels.length} values`,
  );
}

/**
 * The order of examples in one epoch: a Fisher–Yates shuffle by a small seeded generator (Mulberry32), the same on every
 * backend. It protects nobody; privacy rests on the noise alone.
 */
export function epochOrder(count: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  let state = Math.imul(seed, 0x9e3779b1) + epoch;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    const held = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = held;
  }
  return order;
}
