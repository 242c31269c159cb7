import { untilAborted, waitUnless } from "./waiting.js";

/** Who has not called for that long is not expected back. Milliseconds. */
const FORGOTTEN_MS = 600_000;

/** Which devices have called and are still to be told that there are no more rounds. */
export class Farewell {
  readonly #clock: { now(): number };
  /** Devices that have called since the sets last changed places, and before. */
  #recent = new Set<string>();
  #older = new Set<string>();
  #changedMs: number;
  #allTold: (() => void) | undefined;

  constructor(clock: { now(): number }) {
    this.#clock = clock;
    this.#changedMs = clock.now();
  }

  /** Devices that are expected back. */
  get untold(): number {
    return this.#recent.size + this.#older.size;
  }

  /** A device has called, and will call again. */
  met(deviceId: string): void {
    const now = this.#clock.now();
    if (now - this.#changedMs >= FORGOTTEN_MS) {
      this.#older = this.#recent;
      this.#recent = new Set();
      this.#changedMs = now;
    }
    this.#older.delete(deviceId);
    this.#recent.add(deviceId);
  }

  /** A device knows that it need not come again. */
  told(deviceId: string): void {
    this.#recent.delete(deviceId);
    this.#older.delete(deviceId);
    if (this.untold === 0) this.#allTold?.();
  }

  /** Waits until all know, for up to `graceMs`, or until the signal is aborted. */
  async untilAllTold(graceMs: number, signal: AbortSignal): Promise<void> {
    if (this.untold === 0) return;
    const done = new AbortController();
    const told = new Promise<void>((resolve) => {
      this.#allTold = resolve;
    });
    await untilAborted(Promise.race([told, waitUnless(graceMs, done.signal)]), signal);
    done.abort();
    this.#allTold = undefined;
  }
}
