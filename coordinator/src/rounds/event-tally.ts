import type { DpEvent } from "@fedloop/privacy";

/** An event, and how often it took place. */
export interface CountedEvent {
  readonly event: DpEvent;
  readonly count: number;
}

/** Events that are equal, counted once, in the order in which each was first: rounds of the same plan cost the same. */
export class EventTally {
  readonly #events: CountedEvent[] = [];
  readonly #indices = new Map<string, number>();

  get counted(): readonly CountedEvent[] {
    return this.#events;
  }

  add(event: DpEvent): void {
    const key = JSON.stringify(event);
    const index = this.#indices.get(key) ?? this.#events.length;
    this.#indices.set(key, index);
    this.#events[index] = { event, count: (this.#events[index]?.count ?? 0) + 1 };
  }

  /** What it would come to with one more; nothing is changed. */
  with(event: DpEvent): readonly CountedEvent[] {
    const index = this.#indices.get(JSON.stringify(event));
    if (index === undefined) return [...this.#events, { event, count: 1 }];
    return this.#events.map(({ event: own, count }, at) => ({ event: own, count: at === index ? count + 1 : count }));
  }
}
