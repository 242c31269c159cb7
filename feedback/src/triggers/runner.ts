// Triggers on a live log: what happened before the app was closed is worked through again, so nothing else is kept.
import { type Clock, type DeviceStore, systemClock } from "@fedloop/client-runtime";
import type { Capture } from "../capture/capture.js";
import type { CapturedEvent } from "../capture/event-log.js";
import type { EventDefinitions } from "../registry/registry.js";
import { TriggerEngine, type TriggerEngineOptions } from "./engine.js";
import type { Firing } from "./trigger.js";

/** What a runner works with. */
export interface TriggerRunnerOptions<Events extends EventDefinitions<string>> extends TriggerEngineOptions {
  readonly capture: Capture<Events>;
  /** Remembers up to when firings were told. */
  readonly store: DeviceStore;
  readonly clock?: Clock;
  readonly onFiring: (firing: Firing) => void;
}

const TOLD_KEY = "triggers/toldMs";

/** Follows a capture and the clock. Opened with {@link TriggerRunner.open}. */
export class TriggerRunner {
  readonly #engine: TriggerEngine;
  readonly #clock: Clock;
  readonly #store: DeviceStore;
  readonly #tell: (firing: Firing) => void;
  readonly #ends: (() => void)[] = [];
  readonly #ending = new AbortController();
  #rearmed = new AbortController();
  #timer: Promise<void> = Promise.resolve();

  private constructor(engine: TriggerEngine, clock: Clock, store: DeviceStore, tell: (firing: Firing) => void) {
    this.#engine = engine;
    this.#clock = clock;
    this.#store = store;
    this.#tell = tell;
  }

  /**
   * Works through the log up to now, tells what fired while the app was closed, and goes on from there.
   *
   * @throws FeedbackError BAD_RULE, STORE_FAILED, LOG_CORRUPT
   */
  static async open<Events extends EventDefinitions<string>>(
    options: TriggerRunnerOptions<Events>,
  ): Promise<TriggerRunner> {
    const { capture, store, clock = systemClock(), onFiring, triggers } = options;
    const runner = new TriggerRunner(new TriggerEngine(options), clock, store, onFiring);
    const purposes = [...new Set(triggers.map(({ purpose }) => purpose))];
    const told = await store.get(TOLD_KEY);
    const toldMs = told === undefined ? clock.now() : Number(new TextDecoder().decode(told));
    // Events of a purpose that arrive while the log is read wait until its end.
    const early: [string, CapturedEvent][] = [];
    let isReading = true;
    for (const purpose of purposes) {
      runner.#ends.push(
        capture.follow(purpose, (event) => {
          if (isReading) early.push([purpose, event]);
          else runner.#hear(purpose, event);
        }),
      );
    }
    const past: [string, CapturedEvent][] = [];
    for (const purpose of purposes) {
      for await (const event of capture.read(purpose)) past.push([purpose, event]);
    }
    const known = new Set(early.map(([purpose, event]) => `${purpose} ${event.sequence}`));
    const ordered = past
      .filter(([purpose, event]) => !known.has(`${purpose} ${event.sequence}`))
      .sort(([, a], [, b]) => a.atMs - b.atMs);
    const firings = ordered.flatMap(([purpose, event]) => runner.#engine.event(purpose, event));
    firings.push(...runner.#engine.advance(clock.now()));
    for (const firing of firings) if (firing.atMs > toldMs) onFiring(firing);
    isReading = false;
    for (const [purpose, event] of early) runner.#hear(purpose, event);
    await runner.#remember();
    runner.#arm();
    return runner;
  }

  /** Forgets what it knows of a purpose: after its withdrawal. */
  forget(purpose: string): void {
    this.#engine.forget(purpose);
    this.#arm();
  }

  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    for (const end of this.#ends) end();
    this.#ending.abort();
    this.#rearmed.abort();
    await this.#timer;
    await this.#remember();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #hear(purpose: string, event: CapturedEvent): void {
    this.#tellAll(this.#engine.event(purpose, event));
    this.#arm();
  }

  /** Also a page that is killed is not to tell the same again. */
  #tellAll(firings: readonly Firing[]): void {
    for (const firing of firings) this.#tell(firing);
    if (firings.length > 0) void this.#remember().catch(() => {});
  }

  #arm(): void {
    this.#rearmed.abort();
    const { dueMs } = this.#engine;
    if (this.#ending.signal.aborted || dueMs === Number.POSITIVE_INFINITY) return;
    this.#rearmed = new AbortController();
    const { signal } = this.#rearmed;
    this.#timer = this.#clock.wait(dueMs - this.#clock.now(), signal).then(
      () => {
        this.#tellAll(this.#engine.advance(this.#clock.now()));
        this.#arm();
      },
      () => {},
    );
  }

  async #remember(): Promise<void> {
    await this.#store.put(TOLD_KEY, new TextEncoder().encode(String(this.#clock.now())));
  }
}
