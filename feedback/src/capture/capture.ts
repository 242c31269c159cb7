// Events into the device's own log: checked, divided by purpose, batched. Nothing here knows a network.
import { type Clock, type DeviceStore, systemClock, type WriteAhead } from "@fedloop/client-runtime";
import { FeedbackError } from "../errors.js";
import type { EventDefinitions, EventFields, EventRegistry, Scalar } from "../registry/registry.js";
import { type CapturedEvent, EventLog } from "./event-log.js";
import type { PurposeGate, PurposeState } from "./gate.js";
import type { Takeover, TakeoverOptions } from "./takeover.js";

/** What a capture is opened with. */
export interface CaptureOptions<Events extends EventDefinitions<string>> {
  readonly registry: EventRegistry<Events>;
  /** Where the events lie; one capture uses it at a time. Wrap it with `sealedStore` to keep them encrypted. */
  readonly store: DeviceStore;
  readonly gate: PurposeGate;
  /**
   * Where other tabs leave their events (see `TabRecorder`), and where important ones lie until they are in the log. It holds them
   * as they are, even where the store is sealed. Without it, important events are written at once, and a page that is killed in
   * that moment loses them. What lies in it under a purpose that is not allowed is dropped, so the person's decisions have to be
   * known before the capture is opened.
   */
  readonly ahead?: WriteAhead;
  readonly clock?: Clock;
  /** So many of the newest events of each purpose are kept; 100 000 unless given. */
  readonly capacity?: number;
  /** Events wait at most so long to be written, in milliseconds; 500 unless given. A crash loses what waits. */
  readonly batchMs?: number;
  /** So many waiting events are written at once; 8 192 unless given. */
  readonly batchEvents?: number;
  /** Told of failures that no call can report: a batch that could not be written stays and is tried with the next. */
  readonly onError?: (error: FeedbackError) => void;
}

/** Whether an event was captured: for which purposes, and for which not, and why. */
export interface CaptureOutcome {
  readonly captured: readonly string[];
  readonly refused: { readonly [purpose: string]: Exclude<PurposeState, "allowed"> };
}

/** Which events to read. */
export interface ReadOptions {
  /** None before this, milliseconds since the epoch. */
  readonly sinceMs?: number;
  /** All types unless given. */
  readonly types?: readonly string[];
}

const PREFIX = "events/";
const DAY_MS = 86_400_000;
const CAPACITY = 100_000;
const BATCH_MS = 500;
const BATCH_EVENTS = 8_192;

/** The events of a person on this device. Opened with {@link Capture.open}. */
export class Capture<Events extends EventDefinitions<string> = EventDefinitions<string>> {
  readonly registry: EventRegistry<Events>;
  readonly #options: CaptureOptions<Events>;
  readonly #clock: Clock;
  readonly #logs: ReadonlyMap<string, EventLog>;
  readonly #batchEvents: number;
  readonly #batchMs: number;
  readonly #followers = new Map<string, Set<(event: CapturedEvent) => void>>();
  readonly #ending = new AbortController();
  readonly #endWatch: () => void;
  readonly #takeover: Takeover | undefined;
  readonly #erasing = new Set<string>();
  #isTimed = false;
  #flushing: Promise<void> | undefined;
  #deleting: Promise<void> = Promise.resolve();

  private constructor(
    options: CaptureOptions<Events>,
    logs: ReadonlyMap<string, EventLog>,
    clock: Clock,
    takeover: (new (options: TakeoverOptions) => Takeover) | undefined,
  ) {
    this.registry = options.registry;
    this.#options = options;
    this.#clock = clock;
    this.#logs = logs;
    this.#batchEvents = options.batchEvents ?? BATCH_EVENTS;
    this.#batchMs = options.batchMs ?? BATCH_MS;
    const { ahead, gate } = options;
    if (ahead !== undefined && takeover !== undefined) {
      this.#takeover = new takeover({
        ahead,
        logs,
        takes: (purpose) => gate.state(purpose) === "allowed" && !this.#erasing.has(purpose),
        onEvent: (purpose, event) => {
          this.#tellAll(purpose, event);
          void this.#flushLater();
        },
      });
    }
    const ends = [
      gate.onChange(() => void this.#obey(true)),
      ahead?.onAppend(() => void this.#takeover?.takeOver().catch((cause: unknown) => this.#report(cause))),
    ];
    this.#endWatch = () => {
      for (const end of ends) end?.();
    };
  }

  /**
   * Opens the log. What was refused, withdrawn or has expired since the last time is deleted before this is done, also
   * under purposes that the registry no longer has.
   *
   * @throws FeedbackError STORE_FAILED, LOG_CORRUPT, BAD_OPTION
   */
  static async open<Events extends EventDefinitions<string>>(
    options: CaptureOptions<Events>,
  ): Promise<Capture<Events>> {
    const { registry, store, capacity = CAPACITY, clock = systemClock() } = options;
    for (const [name, value] of Object.entries({
      capacity,
      batchMs: options.batchMs,
      batchEvents: options.batchEvents,
    })) {
      if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
        throw new FeedbackError("BAD_OPTION", `expected ${name} to be a whole number from 1, came ${value}`);
      }
    }
    const logs = new Map<string, EventLog>();
    const retentionMs = (type: string): number => registry.retentionDays(type) * DAY_MS;
    for (const purpose of registry.purposes) {
      logs.set(purpose, await EventLog.open({ store, prefix: `${PREFIX}${purpose}/`, capacity, retentionMs }));
    }
    for (const key of await store.keys(PREFIX)) {
      if (!logs.has(key.slice(PREFIX.length).split("/")[0] ?? "")) await store.delete(key);
    }
    // A page without a list does not load what it takes.
    const parts = options.ahead === undefined ? undefined : await import("./takeover.js");
    const capture = new Capture(options, logs, clock, parts?.Takeover);
    await capture.#takeover?.recover();
    await capture.flush();
    // What a page left in its last moment may arrive after its lock was given away.
    if (options.ahead !== undefined) void capture.#flushLater();
    return capture;
  }

  /**
   * Puts an event into the log of each purpose that it is declared for and that the person allows now. It is there for
   * readers at once, and on disk with the next batch.
   *
   * @throws FeedbackError BAD_EVENT where the registry has no such event or a field does not fit; CLOSED
   */
  record<Type extends keyof Events & string>(type: Type, fields: EventFields<Events[Type]>): CaptureOutcome {
    return this.recordUntyped(type, fields);
  }

  /** {@link record} for events whose type is known at run time only, such as those of a DOM listener. */
  recordUntyped(type: string, fields: { readonly [name: string]: Scalar | undefined }): CaptureOutcome {
    if (this.#ending.signal.aborted) throw new FeedbackError("CLOSED", "expected an open capture, this one was closed");
    const portions = this.registry.divide(type, fields);
    const atMs = this.#clock.now();
    const captured: string[] = [];
    const events: (readonly [string, CapturedEvent])[] = [];
    const refused: Record<string, Exclude<PurposeState, "allowed">> = {};
    for (const { purpose, fields: own } of portions) {
      const state = this.#options.gate.state(purpose);
      const log = this.#logs.get(purpose);
      if (state !== "allowed") refused[purpose] = state;
      else if (log !== undefined) {
        const event = log.append(atMs, type, own);
        captured.push(purpose);
        events.push([purpose, event]);
        if (log.pending >= this.#batchEvents) void this.#flushSoon();
        this.#tellAll(purpose, event);
      }
    }
    if (captured.length > 0 && this.registry.isImportant(type)) this.#keep(events);
    else if (captured.length > 0) void this.#flushLater();
    return { captured, refused };
  }

  /**
   * The events of one purpose, in order, with the fields declared for it. None where the person does not allow the purpose.
   *
   * @throws FeedbackError STORE_FAILED, LOG_CORRUPT
   */
  async *read(purpose: string, options: ReadOptions = {}): AsyncGenerator<CapturedEvent> {
    const log = this.#log(purpose);
    const { types, sinceMs } = options;
    for await (const event of log.read(this.#clock.now(), sinceMs)) {
      if (this.#options.gate.state(purpose) !== "allowed") return;
      if (types === undefined || types.includes(event.type)) yield event;
    }
  }

  /**
   * Calls back with each event that is captured for a purpose from now on.
   *
   * @returns what ends it
   */
  follow(purpose: string, follower: (event: CapturedEvent) => void): () => void {
    this.#log(purpose);
    const followers = this.#followers.get(purpose) ?? new Set();
    this.#followers.set(purpose, followers.add(follower));
    return () => followers.delete(follower);
  }

  /** What is kept for a purpose: events, those that wait to be written, and those that the ring let go since the start. */
  count(purpose: string): { readonly events: number; readonly pending: number; readonly dropped: number } {
    const { size, pending, dropped } = this.#log(purpose);
    return { events: size, pending, dropped };
  }

  /** Writes what waits and deletes what has expired. @throws FeedbackError STORE_FAILED */
  async flush(): Promise<void> {
    await this.#flushing;
    await this.#obey();
    await this.#writeAll();
  }

  /**
   * Writes ahead, before the call returns, what waits to be written: a page calls it when it is hidden, since it may end without
   * another word. Without a write-ahead list it is a {@link flush}, which takes longer than such a page may have.
   *
   * @throws FeedbackError STORE_FAILED
   */
  async secure(): Promise<void> {
    await (this.#takeover === undefined ? this.flush() : this.#takeover.secure());
  }

  /**
   * Deletes all events of a purpose, or of all, those included that other tabs have left. Those in memory are gone when the call
   * returns. @throws FeedbackError STORE_FAILED
   */
  async erase(purpose?: string): Promise<void> {
    const names = purpose === undefined ? [...this.#logs.keys()] : [purpose];
    const cleared = names.map((name) => this.#log(name).clear());
    for (const name of names) this.#erasing.add(name);
    try {
      await Promise.all(cleared);
      if (this.#takeover !== undefined) await this.#writeAll();
    } finally {
      for (const name of names) this.#erasing.delete(name);
    }
  }

  /** Done when everything that was withdrawn so far is deleted. */
  deleted(): Promise<void> {
    return this.#deleting;
  }

  /** Writes what waits. The store stays open: it is the app's. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#endWatch();
    await this.#deleting;
    await this.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param isChange whether something was just withdrawn: then the write-ahead list is emptied as well */
  #obey(isChange = false): Promise<void> {
    const refused = [...this.#logs].filter(([purpose]) => this.#options.gate.state(purpose) === "refused");
    const cleared = refused.filter(([, { size }]) => size > 0).map(([, log]) => log.clear());
    const isLeft = isChange && refused.length > 0 && this.#takeover !== undefined;
    this.#deleting = Promise.all([this.#deleting, ...cleared])
      .then(() => (isLeft ? this.#writeAll() : undefined))
      .catch((cause: unknown) => this.#report(cause));
    return this.#deleting;
  }

  /** Makes an important event outlive this page. */
  #keep(events: readonly (readonly [string, CapturedEvent])[]): void {
    if (this.#takeover === undefined) {
      void this.#flushSoon();
      return;
    }
    this.#takeover.write(events).catch((cause: unknown) => this.#report(cause));
    void this.#flushLater();
  }

  async #writeAll(): Promise<void> {
    const key = (await this.#takeover?.takeOver()) ?? 0;
    for (const log of this.#logs.values()) await log.flush(this.#clock.now());
    await this.#takeover?.clear(key);
    if (this.#takeover?.isDue === true) void this.#flushLater();
  }

  #log(purpose: string): EventLog {
    const log = this.#logs.get(purpose);
    if (log === undefined) throw new FeedbackError("BAD_OPTION", `the registry declares no purpose "${purpose}"`);
    return log;
  }

  async #flushLater(): Promise<void> {
    if (this.#isTimed) return;
    this.#isTimed = true;
    await this.#clock.wait(this.#batchMs, this.#ending.signal).catch(() => {});
    this.#isTimed = false;
    if (!this.#ending.signal.aborted) await this.#flushSoon();
  }

  #flushSoon(): Promise<void> {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushAll(): Promise<void> {
    if (this.#takeover !== undefined) {
      try {
        await this.#writeAll();
      } catch (cause) {
        this.#report(cause);
        // Another tab may have the store by now: what waits here comes into the log through the list.
        await this.secure().catch((cause: unknown) => this.#report(cause));
      }
      return;
    }
    for (const log of this.#logs.values()) {
      if (log.pending > 0) await log.flush(this.#clock.now()).catch((cause: unknown) => this.#report(cause));
    }
  }

  #tellAll(purpose: string, event: CapturedEvent): void {
    for (const follower of this.#followers.get(purpose) ?? []) this.#tell(follower, event);
  }

  /** One follower's failure is its own: the event is captured, and others hear of it. */
  #tell(follower: (event: CapturedEvent) => void, event: CapturedEvent): void {
    try {
      follower(event);
    } catch (cause) {
      this.#report(cause);
    }
  }

  #report(cause: unknown): void {
    const error =
      cause instanceof FeedbackError ? cause : new FeedbackError("BAD_OPTION", "a follower failed", { cause });
    this.#options.onError?.(error);
  }
}
