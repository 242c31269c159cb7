import { inTurns } from "./turns.js";

/** Calls whose answers are held back until a round goes on: who would ask again and again asks once. */
export class HeldCalls {
  readonly #held = new Set<() => void>();

  /** Calls that wait at this moment. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Resolves with the next release, or after `ms`.
   *
   * @throws the signal's reason when it is aborted meanwhile
   */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        this.#held.delete(go);
      };
      const go = (): void => {
        end();
        resolve();
      };
      const abort = (): void => {
        end();
        reject(signal.reason);
      };
      const timer = setTimeout(go, ms);
      signal.addEventListener("abort", abort, { once: true });
      this.#held.add(go);
    });
  }

  /** Lets all go that wait now. */
  release(): void {
    void inTurns([...this.#held], (go) => go());
  }
}
