import { setImmediate as nextTurn } from "node:timers/promises";
import { TURN_MS } from "./turns.js";

/**
 * Lets heavy pieces of work through one after the other, and as many in one turn of the event loop as fit into a few milliseconds:
 * the chunks of many devices that arrive at once would else keep everyone waiting until the last of them is done.
 */
export class Turnstile {
  readonly #nowMs: () => number;
  #spentMs = 0;
  #queue: Promise<void> = Promise.resolve();

  /** @param nowMs a monotonic clock, milliseconds */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /**
   * Does a piece of work when its turn has come.
   *
   * @param work a few milliseconds of it, synchronous
   * @returns what it returns
   * @throws what it throws
   */
  pass<Result>(work: () => Result): Promise<Result> {
    const passed = this.#queue.then(async () => {
      if (this.#spentMs >= TURN_MS) {
        await nextTurn();
        this.#spentMs = 0;
      }
      const begunMs = this.#nowMs();
      try {
        return work();
      } finally {
        this.#spentMs += this.#nowMs() - begunMs;
      }
    });
    this.#queue = passed.then(ignore, ignore);
    return passed;
  }
}

function ignore(): void {}
