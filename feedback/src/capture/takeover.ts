// What lies in a write-ahead list comes into the log: events of other tabs, and those of a page that died.
import type { WriteAhead } from "@fedloop/client-runtime";
import { type AheadItem, decodeItems, encodeItems, queuedOrigin, readQueuedOrigin } from "./ahead-items.js";
import { type CapturedEvent, type EventLog, stored } from "./event-log.js";

/** What a takeover works with. */
export interface TakeoverOptions {
  readonly ahead: WriteAhead;
  /** By purpose. */
  readonly logs: ReadonlyMap<string, EventLog>;
  /** Whether events of a purpose may come in now; others are dropped. */
  readonly takes: (purpose: string) => boolean;
  readonly onEvent: (purpose: string, event: CapturedEvent) => void;
}

/** An opened log's dealings with its list. Failures are FeedbackError STORE_FAILED. */
export class Takeover {
  readonly #options: TakeoverOptions;
  /** Names this opening of the log in the list. */
  readonly #opening = globalThis.crypto.randomUUID();
  readonly #secured = new Map<string, number>();
  #lastKey = 0;
  #isDue = false;
  #working: Promise<void> = Promise.resolve();

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  /** Whether something was written ahead since the last {@link takeOver}: it lies in the list until the next. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** Takes over what is left from before, but for what is in the log already. Comes first. */
  async recover(): Promise<void> {
    const { ahead, logs } = this.#options;
    const left = await stored(ahead.entries(0));
    if (left.length === 0) return;
    const known = new Set<string>();
    for (const log of logs.values()) for (const origin of await log.origins()) known.add(origin);
    for (const { key, bytes } of left) {
      this.#lastKey = key;
      for (const item of decodeItems(bytes)) if (!known.has(item.origin)) this.#take(item);
    }
  }

  /** Takes over what has come since. @returns the key up to which the list may be cleared once the logs are written */
  async takeOver(): Promise<number> {
    this.#isDue = false;
    const working = this.#working.then(async () => {
      for (const { key, bytes } of await stored(this.#options.ahead.entries(this.#lastKey))) {
        this.#lastKey = key;
        for (const item of decodeItems(bytes)) this.#take(item);
      }
    });
    this.#working = working.catch(() => {});
    await working;
    return this.#lastKey;
  }

  async clear(upToKey: number): Promise<void> {
    if (upToKey > 0) await stored(this.#options.ahead.clear(upToKey));
  }

  /** Writes events ahead that were just put into the queues of their logs. */
  async write(events: readonly (readonly [purpose: string, event: CapturedEvent])[]): Promise<void> {
    if (events.length === 0) return;
    this.#isDue = true;
    const items = events.map(([purpose, { sequence, atMs, type, fields }]) => {
      return { origin: queuedOrigin(this.#opening, sequence), purpose, atMs, type, fields };
    });
    await stored(this.#options.ahead.append(encodeItems(items)));
  }

  /** Writes ahead what waits in the queues, each event once. */
  async secure(): Promise<void> {
    const waiting = [...this.#options.logs].flatMap(([purpose, log]) => {
      const from = this.#secured.get(purpose) ?? 0;
      this.#secured.set(purpose, log.next);
      // What came from another tab lies in the list already.
      const own = log.waiting().filter(({ sequence, origin }) => sequence >= from && origin === undefined);
      return own.map((event) => [purpose, event] as const);
    });
    await this.write(waiting);
  }

  #take({ origin, purpose, atMs, type, fields }: AheadItem): void {
    const { logs, takes, onEvent } = this.#options;
    const log = logs.get(purpose);
    if (log === undefined || !takes(purpose)) return;
    const queued = readQueuedOrigin(origin);
    if (queued?.opening === this.#opening) return;
    // A former page wrote it before it died. What that one left may come late, when this one has given out the same numbers.
    if (queued !== undefined && queued.sequence < log.opened) return;
    onEvent(purpose, log.append(atMs, type, fields, origin));
  }
}
