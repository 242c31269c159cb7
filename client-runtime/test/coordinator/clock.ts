import { ClientError, type Clock } from "../../src/index.js";

/**
 * A clock on which waiting takes no time: `wait` moves it on at once. `waits` lists what was waited for, in
 * milliseconds.
 */
export class EagerClock implements Clock {
  readonly waits: number[] = [];
  #nowMs: number;

  constructor(nowMs: number = 1_800_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  set(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** Resolves when something waits for at least so long. */
  async waited(ms: number): Promise<void> {
    while (!this.waits.some((each) => each >= ms)) await new Promise((resolve) => setImmediate(resolve));
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    this.waits.push(ms);
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        if (signal?.aborted === true) reject(new ClientError("ABORTED", "the wait was aborted"));
        else resolve();
      });
    });
  }
}
