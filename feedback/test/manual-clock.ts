import { ClientError, type Clock } from "@fedloop/client-runtime";

/** 12 November 2026, a Thursday, 09:00 UTC. */
export const START_MS: number = Date.UTC(2026, 10, 12, 9);

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs: number;
  #waiters: { readonly dueMs: number; readonly wake: () => void }[] = [];

  constructor(nowMs: number = START_MS) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Moves on, and wakes who has waited long enough, the first due first. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#waiters.filter(({ dueMs }) => dueMs <= this.#nowMs).sort((a, b) => a.dueMs - b.dueMs);
    this.#waiters = this.#waiters.filter(({ dueMs }) => dueMs > this.#nowMs);
    for (const { wake } of due) wake();
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(new ClientError("ABORTED", "the wait was aborted"));
      if (signal?.aborted === true) {
        aborted();
        return;
      }
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waiters.push({ dueMs: this.#nowMs + ms, wake: resolve });
    });
  }
}
