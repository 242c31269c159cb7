import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * What waking so many costs stays well below the time that the event loop may be kept: up to a millisecond each, where an answer
 * names a hundred neighbours.
 */
const EACH_TURN = 8;

/** Visits all, a few in each turn of the event loop, so that a crowd that wakes at once does not hold up the others. */
export async function inTurns<Item>(items: Iterable<Item>, visit: (item: Item) => void): Promise<void> {
  let visited = 0;
  for (const item of items) {
    visit(item);
    visited += 1;
    if (visited % EACH_TURN === 0) await nextTurn();
  }
}
