import { inTurns } from "./turns.js";

/**
 * Round events to all that watch a population. A watcher that reads slowly loses no state: only the newest event
 * matters, so it gets that one when it is back.
 */
export class EventHub<Event> {
  readonly #watchers = new Set<Watcher<Event>>();
  /** What is to be told, and to whom; one after the other, so that who waits for an event is told of it. */
  readonly #untold: { readonly news: News<Event>; readonly watchers: readonly Watcher<Event>[] }[] = [];
  #latest: News<Event> | undefined;
  #isTelling = false;

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Whether nothing was published yet. */
  get isSilent(): boolean {
    return this.#latest === undefined;
  }

  /** Makes an event the newest and tells all watchers, a few in each turn of the event loop. */
  publish(event: Event): void {
    const news = { event, number: (this.#latest?.number ?? 0) + 1 };
    this.#latest = news;
    this.#untold.push({ news, watchers: [...this.#watchers] });
    if (!this.#isTelling) void this.#tell();
  }

  /**
   * The newest event, then every newer one that this reader is there for, until the signal is aborted; what was
   * published before that is not lost.
   */
  async *watch(signal: AbortSignal): AsyncIterable<Event> {
    const watcher: Watcher<Event> = { wake: undefined };
    let seen = 0;
    this.#watchers.add(watcher);
    const stop = (): void => watcher.wake?.(undefined);
    signal.addEventListener("abort", stop, { once: true });
    try {
      let told: News<Event> | undefined;
      for (;;) {
        const next = told ?? this.#latest;
        told = undefined;
        if (next !== undefined && next.number > seen) {
          seen = next.number;
          yield next.event;
        } else if (signal.aborted) {
          return;
        } else {
          told = await new Promise((resolve) => {
            watcher.wake = resolve;
          });
          watcher.wake = undefined;
        }
      }
    } finally {
      signal.removeEventListener("abort", stop);
      this.#watchers.delete(watcher);
    }
  }

  async #tell(): Promise<void> {
    this.#isTelling = true;
    for (let due = this.#untold.shift(); due !== undefined; due = this.#untold.shift()) {
      const { news, watchers } = due;
      await inTurns(watchers, (watcher) => watcher.wake?.(news));
    }
    this.#isTelling = false;
  }
}

interface News<Event> {
  readonly event: Event;
  /** Later events have higher ones. */
  readonly number: number;
}

interface Watcher<Event> {
  /** Set while the watcher waits; told what it is woken for, or nothing when its stream is to end. */
  wake: ((news: News<Event> | undefined) => void) | undefined;
}
