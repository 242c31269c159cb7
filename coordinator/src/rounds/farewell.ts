import { untilAborted, waitUnless } from "./waiting.js";

/** Who has not called for that long is not expected back: longer than the latest that a device is asked to come. Milliseconds. */
const FORGOTTEN_MS = 900_000;

/** Which devices have called and are still to be told that there are no more rounds. */
export class Farewell {
  readonly #clock: { now(): number };
  /** When each device called last, the longest ago first. */
  readonly #lastCalls = new Map<string, number>();
  #allTold: (() => void) | undefined;

  constructor(clock: { now(): number }) {
    this.#clock = clock;
  }

  /** Devices that are expected back. */
  get untold(): number {
    this.#forget(this.#clock.now());
    return this.#lastCalls.size;
  }

  /** A device has called, and will call again. */
  met(deviceId: string): void {
    const now = this.#clock.now();
    this.#forget(now);
    this.#lastCalls.delete(deviceId);
    this.#lastCalls.set(deviceId, now);
  }

  /** A device knows that it need not come again. */
  told(deviceId: string): void {
    this.#lastCalls.delete(deviceId);
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

  #forget(now: number): void {
    for (const [device, calledMs] of this.#lastCalls) {
      if (now - calledMs < FORGOTTEN_MS) return;
      this.#lastCalls.delete(device);
    }
  }
}
