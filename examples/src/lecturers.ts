// What the app knows of its subject: the same in the browser and in the terminal.
import type { Ratings } from "@fedloop/client-runtime";

const HOLD_EVERY = 5;

/** Lines of "lecturer,rating". Every fifth rating is kept for evaluation. */
export function ratingsOf(text: string): Ratings {
  const cells = text
    .trim()
    .split("\n")
    .map((row) => row.split(",").map(Number));
  if (cells.some(([item, rating]) => !Number.isSafeInteger(item) || !Number.isFinite(rating))) {
    throw new Error('expected lines of "lecturer,rating", came others');
  }
  return {
    items: Int32Array.from(cells, ([item]) => item ?? 0),
    ratings: Float32Array.from(cells, ([, rating]) => rating ?? 0),
    held: Uint8Array.from(cells, (_, index) => (index % HOLD_EVERY === HOLD_EVERY - 1 ? 1 : 0)),
  };
}

/** Lecturers that this participant has not rated, best first. The participant's own strictness shifts all alike. */
export function recommended(model: Float32Array, { items }: Ratings): number[] {
  const rated = new Set(items);
  return [...model.subarray(0, -1).keys()]
    .filter((lecturer) => !rated.has(lecturer))
    .sort((a, b) => (model[b] ?? 0) - (model[a] ?? 0))
    .slice(0, 3);
}
