import { setImmediate as nextTurn } from "node:timers/promises";

/** How long heavy work may keep one turn of the event loop, milliseconds: well below the 50 that a call may take, with what else a turn does. */
export const TURN_MS = 8;

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

/**
 * Visits all, as many in one turn of the event loop as fit into a few milliseconds: for visits that are over when they return.
 *
 * @param nowMs a monotonic clock, milliseconds
 */
export async function inSlices<Item>(
  items: Iterable<Item>,
  visit: (item: Item) => void,
  nowMs: () => number = () => performance.now(),
): Promise<void> {
  let begunMs = nowMs();
  for (const item of items) {
    if (nowMs() - begunMs >= TURN_MS) {
      await nextTurn();
      begunMs = nowMs();
    }
    visit(item);
  }
}
