import { ClientError } from "../errors.js";

/** Time, as the runtime sees it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Resolves after `ms` milliseconds.
   *
   * @throws ClientError ABORTED when the signal is aborted
   */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

interface Waiter {
  readonly dueMs: number;
  readonly wake: () => void;
  done: boolean;
}

/** A binary heap of waiters, the next one due first. */
class WaitQueue {
  readonly #heap: Waiter[] = [];

  get next(): Waiter | undefined {
    return this.#heap[0];
  }

  push(waiter: Waiter): void {
    const heap = this.#heap;
    heap.push(waiter);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#dueAt(parent) <= this.#dueAt(at)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop(): Waiter | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#dueAt(child) < this.#dueAt(least)) least = child;
      if (least === at) return first;
      this.#swap(at, least);
      at = least;
    }
  }

  #dueAt(index: number): number {
    return this.#heap[index]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(left: number, right: number): void {
    const a = this.#heap[left];
    const b = this.#heap[right];
    if (a === undefined || b === undefined) return;
    this.#heap[left] = b;
    this.#heap[right] = a;
  }
}

/** setTimeout holds at most this. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

class SystemClock implements Clock {
  readonly #queue = new WaitQueue();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  now(): number {
    return Date.now();
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        waiter.done = true;
        this.#arm();
        reject(new ClientError("ABORTED", "the wait was aborted", { cause: signal?.reason }));
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      };
      // A monotonic clock: a wait is not to end early or never because someone set the wall clock.
      const waiter: Waiter = { dueMs: performance.now() + Math.max(ms, 0), wake, done: false };
      if (signal?.aborted === true) {
        aborted();
        return;
      }
      signal?.addEventListener("abort", aborted, { once: true });
      this.#queue.push(waiter);
      this.#arm();
    });
  }

  #arm(): void {
    while (this.#queue.next?.done === true) this.#queue.pop();
    const dueMs = this.#queue.next?.dueMs ?? Number.POSITIVE_INFINITY;
    if (dueMs === this.#timerDueMs) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(dueMs - performance.now(), 0), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#fire(), delay);
  }

  #fire(): void {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (let next = this.#queue.next; next !== undefined; next = this.#queue.next) {
      if (!next.done && next.dueMs > now) break;
      this.#queue.pop();
      if (!next.done) next.wake();
    }
    this.#arm();
  }
}

/**
 * The platform's clock. All waits of one clock share a single timer: give the participants of a process the same one
 * and a thousand idle participants cost one timer.
 */
export function systemClock(): Clock {
  return new SystemClock();
}
