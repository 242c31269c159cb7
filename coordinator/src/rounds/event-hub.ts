/**
 * Round events to all that watch a population. A watcher that reads slowly loses no state: only the newest event
 * matters, so it gets that one when it is back.
 */
export class EventHub<Event> {
  readonly #watchers = new Set<Watcher<Event>>();
  #latest: Event | undefined;

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Makes an event the newest and wakes all watchers. */
  publish(event: Event): void {
    this.#latest = event;
    for (const watcher of this.#watchers) watcher.wake?.();
  }

  /**
   * The newest event, then every newer one that this reader is there for, until the signal is aborted; what was
   * published before that is not lost.
   */
  async *watch(signal: AbortSignal): AsyncIterable<Event> {
    const watcher: Watcher<Event> = { seen: undefined, wake: undefined };
    this.#watchers.add(watcher);
    const stop = (): void => watcher.wake?.();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for (;;) {
        const latest = this.#latest;
        if (latest !== undefined && latest !== watcher.seen) {
          watcher.seen = latest;
          yield latest;
        } else if (signal.aborted) {
          return;
        } else {
          await new Promise<void>((resolve) => {
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
}

interface Watcher<Event> {
  seen: Event | undefined;
  wake: (() => void) | undefined;
}
