import type { Store } from "../store/database.js";
import { type Pause, readPause } from "./pause.js";

/** How often a paused population looks whether it still is, milliseconds. */
const LOOK_AGAIN_MS = 5_000;

/** Follows whether a population is paused, for whoever is to begin its rounds. */
export class PauseWatch {
  readonly #store: Store;
  readonly #population: string;
  readonly #waiting: (() => void)[] = [];
  #pause: Pause | null = null;

  constructor(store: Store, population: string) {
    this.#store = store;
    this.#population = population;
  }

  /** As last read; null while it is not paused. */
  get pause(): Pause | null {
    return this.#pause;
  }

  /** Reads it from the store; called when that has changed. */
  async read(): Promise<void> {
    this.#pause = await readPause(this.#store.db, this.#population);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /**
   * Waits until it is not paused, or the signal is aborted.
   *
   * @returns whether it was paused
   */
  async untilRunning(signal: AbortSignal): Promise<boolean> {
    await this.read();
    const wasPaused = this.#pause !== null;
    while (this.#pause !== null && !signal.aborted) {
      await this.#changed(signal);
      await this.read();
    }
    return wasPaused;
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      // Where coordinators share the store, another one may have been told to resume.
      const timer = setTimeout(wake, LOOK_AGAIN_MS);
      this.#waiting.push(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
