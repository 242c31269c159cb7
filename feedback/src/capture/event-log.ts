// One purpose's events on this device: a ring of segments in a device store.
import type { DeviceStore } from "@fedloop/client-runtime";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";
import type { Scalar } from "../registry/registry.js";

/** An event as one purpose sees it. */
export interface CapturedEvent {
  /** Counts up within the purpose, also over runs of the app, as long as any event is kept. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly type: string;
  readonly fields: { readonly [name: string]: Scalar };
  /** What the tab called it that recorded it, where that is another one than the log's. */
  readonly origin?: string;
}

/** What a log has to know. */
export interface EventLogOptions {
  readonly store: DeviceStore;
  /** Of all its keys, ending in "/". */
  readonly prefix: string;
  /** So many of the newest events are kept; older ones go, a segment at a time. */
  readonly capacity: number;
  /** How long events of a type are kept, in milliseconds. */
  readonly retentionMs: (type: string) => number;
}

/**
 * A segment's key says what is in it, so that opening a log reads no segment: the range of sequence numbers that it was
 * written for, how many events are in it, and when the first of them expires. The last segment is written anew under
 * another key while it fills, and each one when some of its events have expired; its first number stays.
 */
interface Segment {
  readonly key: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly expiresMs: number;
}

/** A segment with fewer events is taken up again by the next batch; one with as many is left as it is. */
const FULL_SEGMENT = 1_024;
/** More events at once make several segments. */
const LARGEST_SEGMENT = 8_192;

const segmentSchema = z.array(
  z.tuple(
    [z.int(), z.number(), z.string(), z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))],
    z.string(),
  ),
);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Events of one purpose. Calls are worked off one after the other. */
export class EventLog {
  readonly #options: EventLogOptions;
  readonly #segments: Segment[];
  #queue: CapturedEvent[] = [];
  /** Events of the batch that is being written: they are read and dropped with the rest. */
  #writing: CapturedEvent[] = [];
  readonly #opened: number;
  #next: number;
  #stored: number;
  #dropped = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Rises when all is deleted: a batch that was on its way is then not written any more. */
  #generation = 0;

  private constructor(options: EventLogOptions, segments: readonly Segment[]) {
    this.#options = options;
    this.#segments = [...segments];
    const last = segments.at(-1);
    this.#next = last === undefined ? 0 : last.last + 1;
    this.#opened = this.#next;
    this.#stored = segments.reduce((total, { count }) => total + count, 0);
  }

  static async open(options: EventLogOptions): Promise<EventLog> {
    const byFirst = new Map<number, Segment>();
    for (const key of await stored(options.store.keys(options.prefix))) {
      const segment = parseKey(key, options.prefix);
      const known = byFirst.get(segment.first);
      // After a crash between writing a segment anew and deleting the former one, both are there.
      const [kept, stale] = known === undefined || isLater(segment, known) ? [segment, known] : [known, segment];
      byFirst.set(segment.first, kept);
      if (stale !== undefined) await stored(options.store.delete(stale.key));
    }
    return new EventLog(
      options,
      [...byFirst.values()].sort((a, b) => a.first - b.first),
    );
  }

  /** Events that wait to be written. */
  get pending(): number {
    return this.#queue.length + this.#writing.length;
  }

  /** Events that are kept, written or not. */
  get size(): number {
    return this.#stored + this.pending;
  }

  /** Events that the ring let go because it was full, since it was opened. */
  get dropped(): number {
    return this.#dropped;
  }

  /** What the next event will be numbered. */
  get next(): number {
    return this.#next;
  }

  /** Events with lower numbers were on disk when the log was opened. */
  get opened(): number {
    return this.#opened;
  }

  /** Events that wait to be written, in order. */
  waiting(): readonly CapturedEvent[] {
    return [...this.#writing, ...this.#queue];
  }

  /** The names of events from other tabs that are on disk. @throws FeedbackError STORE_FAILED, LOG_CORRUPT */
  async origins(): Promise<Set<string>> {
    const found = new Set<string>();
    for (const segment of this.#segments) {
      for (const { origin } of await this.#load(segment)) if (origin !== undefined) found.add(origin);
    }
    return found;
  }

  /** @param origin what another tab called it */
  append(atMs: number, type: string, fields: { readonly [name: string]: Scalar }, origin?: string): CapturedEvent {
    const event = { sequence: this.#next, atMs, type, fields, ...(origin === undefined ? {} : { origin }) };
    this.#next += 1;
    this.#queue.push(event);
    // A store that does not keep up must not fill the memory. Halves, so that the cost of shifting stays small.
    if (this.#queue.length > 2 * this.#options.capacity) {
      this.#dropped += this.#options.capacity;
      this.#queue = this.#queue.slice(this.#options.capacity);
    }
    return event;
  }

  /** Writes what waits; then lets go of what is too old or too much. @throws FeedbackError STORE_FAILED */
  flush(nowMs: number): Promise<void> {
    return this.#inOrder(async () => {
      await this.#write();
      await this.#trim();
      await this.#expire(nowMs);
    });
  }

  /** The events that are not too old, in order. @param sinceMs none before this */
  async *read(nowMs: number, sinceMs: number = Number.NEGATIVE_INFINITY): AsyncGenerator<CapturedEvent> {
    const { firsts, waiting, generation } = await this.#inOrder(async () => ({
      firsts: this.#segments.map(({ first }) => first),
      waiting: [...this.#queue],
      generation: this.#generation,
    }));
    let from = 0;
    const isWanted = (event: CapturedEvent): boolean =>
      event.sequence >= from && event.atMs >= sinceMs && event.atMs + this.#options.retentionMs(event.type) > nowMs;
    // A segment that was written anew in the meantime has its first number still, and events that waited before.
    for (const wanted of firsts) {
      const events = await this.#inOrder(async () => {
        const segment = this.#segments.find(({ first }) => first === wanted);
        return segment === undefined ? [] : this.#load(segment);
      });
      for (const event of events) {
        if (generation !== this.#generation) return;
        if (isWanted(event)) yield event;
        from = event.sequence + 1;
      }
    }
    for (const event of waiting) if (generation === this.#generation && isWanted(event)) yield event;
  }

  /** Deletes everything. What waits is gone when the call returns, what was written when the promise is done. */
  clear(): Promise<void> {
    this.#generation += 1;
    this.#queue = [];
    this.#writing = [];
    return this.#inOrder(async () => {
      const segments = this.#segments.splice(0);
      this.#stored = 0;
      await stored(Promise.all(segments.map(({ key }) => this.#options.store.delete(key))));
    });
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const generation = this.#generation;
      const tail = this.#segments.at(-1);
      const open = tail !== undefined && tail.count < FULL_SEGMENT ? tail : undefined;
      const former = open === undefined ? [] : await this.#load(open);
      if (generation !== this.#generation) return;
      this.#writing = this.#queue.splice(0, LARGEST_SEGMENT);
      const events = [...former, ...this.#writing];
      const last = this.#writing.at(-1)?.sequence ?? 0;
      const segment = this.#segmentOf(events, { first: open?.first ?? events[0]?.sequence ?? 0, last });
      try {
        await stored(this.#options.store.put(segment.key, encode(events)));
      } catch (cause) {
        if (generation === this.#generation) this.#queue = [...this.#writing, ...this.#queue];
        this.#writing = [];
        throw cause;
      }
      this.#writing = [];
      if (generation !== this.#generation) {
        await stored(this.#options.store.delete(segment.key));
        return;
      }
      if (open !== undefined) this.#segments.pop();
      this.#segments.push(segment);
      this.#stored += events.length - former.length;
      if (open !== undefined) await stored(this.#options.store.delete(open.key));
    }
  }

  async #trim(): Promise<void> {
    for (let [oldest] = this.#segments; oldest !== undefined; [oldest] = this.#segments) {
      if (this.#stored - oldest.count < this.#options.capacity) return;
      this.#segments.shift();
      this.#stored -= oldest.count;
      this.#dropped += oldest.count;
      await stored(this.#options.store.delete(oldest.key));
    }
  }

  async #expire(nowMs: number): Promise<void> {
    for (const segment of this.#segments.filter(({ expiresMs }) => expiresMs <= nowMs)) {
      const events = await this.#load(segment);
      const kept = events.filter((event) => event.atMs + this.#options.retentionMs(event.type) > nowMs);
      const place = this.#segments.indexOf(segment);
      if (place < 0) continue;
      if (kept.length === 0) this.#segments.splice(place, 1);
      else {
        const shorter = this.#segmentOf(kept, segment);
        await stored(this.#options.store.put(shorter.key, encode(kept)));
        this.#segments[place] = shorter;
      }
      this.#stored -= segment.count - kept.length;
      await stored(this.#options.store.delete(segment.key));
    }
  }

  #segmentOf(
    events: readonly CapturedEvent[],
    { first, last }: { readonly first: number; readonly last: number },
  ): Segment {
    const expiries = events.map((event) => event.atMs + this.#options.retentionMs(event.type));
    const expiresMs = Math.floor(expiries.reduce((least, each) => Math.min(least, each), Number.MAX_SAFE_INTEGER));
    const numbers = [String(first).padStart(12, "0"), last, events.length, expiresMs];
    return { key: this.#options.prefix + numbers.join("."), first, last, count: events.length, expiresMs };
  }

  async #load({ key }: Segment): Promise<CapturedEvent[]> {
    const bytes = await stored(this.#options.store.get(key));
    return bytes === undefined ? [] : decode(bytes);
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

function encode(events: readonly CapturedEvent[]): Uint8Array {
  return encoder.encode(
    JSON.stringify(
      events.map(({ sequence, atMs, type, fields, origin }) => {
        const own = [sequence, atMs, type, fields];
        return origin === undefined ? own : [...own, origin];
      }),
    ),
  );
}

function decode(bytes: Uint8Array): CapturedEvent[] {
  try {
    return z.parse(segmentSchema, JSON.parse(decoder.decode(bytes))).map(([sequence, atMs, type, fields, origin]) => ({
      sequence,
      atMs,
      type,
      fields,
      ...(origin === undefined ? {} : { origin }),
    }));
  } catch {
    // Without the cause: it may quote the events.
    throw new FeedbackError("LOG_CORRUPT", "expected a segment of the event log, came something else; erase the log");
  }
}

function isLater(segment: Segment, known: Segment): boolean {
  return segment.last === known.last ? segment.count < known.count : segment.last > known.last;
}

function parseKey(key: string, prefix: string): Segment {
  const [, first, last, count, expiresMs] = /^(\d{12,})\.(\d+)\.(\d+)\.(\d+)$/.exec(key.slice(prefix.length)) ?? [];
  if (first === undefined) throw new FeedbackError("LOG_CORRUPT", "expected keys of the event log, came another");
  return { key, first: Number(first), last: Number(last), count: Number(count), expiresMs: Number(expiresMs) };
}

/** A store's answer, its failures as this package's. @throws FeedbackError STORE_FAILED */
export async function stored<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new FeedbackError("STORE_FAILED", "the event log could not be read or written; is there room?", { cause });
  }
}
