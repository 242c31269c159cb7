import { inTurns } from "./turns.js";

interface Held {
  /** Whose call it is, where that matters. */
  readonly caller: string;
  readonly go: () => void;
  readonly fail: (reason: unknown) => void;
}

/** Those that one signal ends: thousands of calls share that of a server that drains, which is listened to once. */
interface Crowd {
  readonly held: Set<Held>;
  readonly abort: () => void;
}

/** Calls whose answers are held back until a round goes on: who would ask again and again asks once. */
export class HeldCalls {
  readonly #crowds = new Map<AbortSignal, Crowd>();

  /** Calls that wait at this moment. */
  get size(): number {
    let size = 0;
    for (const { held } of this.#crowds.values()) size += held.size;
    return size;
  }

  /**
   * Resolves with the next release, or after `ms`.
   *
   * @param caller whose call it is, for `releaseNext`
   * @returns whether it was released; false when its time was over
   * @throws the signal's reason when it is aborted meanwhile
   */
  wait(ms: number, signal: AbortSignal, caller = ""): Promise<boolean> {
    signal.throwIfAborted();
    if (ms <= 0) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#remove(signal, held);
      };
      const held: Held = {
        caller,
        go: () => {
          end();
          resolve(true);
        },
        fail: (reason) => {
          end();
          reject(reason);
        },
      };
      const timer = setTimeout(() => {
        end();
        resolve(false);
      }, ms);
      this.#crowd(signal).held.add(held);
    });
  }

  /** Lets all go that wait now. */
  release(): void {
    const all = [...this.#crowds.values()].flatMap(({ held }) => [...held]);
    void inTurns(all, ({ go }) => go());
  }

  /** Lets the caller go that has waited longest, of those that share a signal: the call, and its repetitions. */
  releaseNext(): void {
    const all = [...this.#crowds.values()].flatMap(({ held }) => [...held]);
    for (const { caller, go } of all) if (caller === all[0]?.caller) go();
  }

  #crowd(signal: AbortSignal): Crowd {
    const known = this.#crowds.get(signal);
    if (known !== undefined) return known;
    const held = new Set<Held>();
    const abort = (): void => {
      for (const { fail } of [...held]) fail(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    const crowd = { held, abort };
    this.#crowds.set(signal, crowd);
    return crowd;
  }

  #remove(signal: AbortSignal, held: Held): void {
    const crowd = this.#crowds.get(signal);
    if (crowd === undefined) return;
    crowd.held.delete(held);
    if (crowd.held.size > 0) return;
    signal.removeEventListener("abort", crowd.abort);
    this.#crowds.delete(signal);
  }
}
