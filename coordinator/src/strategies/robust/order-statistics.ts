import { setImmediate as yieldToEventLoop } from "node:timers/promises";

/** Coordinates between two turns of the event loop: some milliseconds for a hundred vectors. */
const SLICE = 2_048;

/**
 * A function of each coordinate's sorted values.
 *
 * @param vectors of one length
 * @param estimate of one coordinate, from its values in ascending order, which it may not keep
 */
export async function bySortedCoordinate(
  vectors: readonly Float32Array[],
  estimate: (sorted: Float32Array) => number,
): Promise<Float32Array> {
  const length = vectors[0]?.length ?? 0;
  const result = new Float32Array(length);
  const column = new Float32Array(vectors.length);
  for (let i = 0; i < length; i++) {
    vectors.forEach((vector, row) => {
      column[row] = vector[i] ?? 0;
    });
    result[i] = estimate(column.sort());
    if (i % SLICE === SLICE - 1) await yieldToEventLoop();
  }
  return result;
}

/** The middle value, or the mean of the two in the middle. */
export function medianOf(sorted: Float32Array): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** The mean of what is left when the `trimmed` smallest and as many largest values are taken away. */
export function trimmedMeanOf(sorted: Float32Array, trimmed: number): number {
  let sum = 0;
  for (let i = trimmed; i < sorted.length - trimmed; i++) sum += sorted[i] ?? 0;
  return sum / (sorted.length - 2 * trimmed);
}
