// All triggers of an app over a stream of events. No clock in here: time comes with the signals, so a replay fires the same.
import type { CapturedEvent } from "../capture/event-log.js";
import { type Feature, featureVector } from "../enrichment/features.js";
import { FeedbackError } from "../errors.js";
import type { PropensityModel } from "./propensity.js";
import type { Firing, Signal, Surroundings, Trigger, TriggerState } from "./trigger.js";

/** What an engine works with. */
export interface TriggerEngineOptions {
  readonly triggers: readonly Trigger[];
  readonly features?: readonly Feature[];
  readonly models?: readonly PropensityModel[];
  /** Of the person's own time at a moment, east of Greenwich; 0 unless given. */
  readonly utcOffsetMinutes?: (atMs: number) => number;
  /** Seed of hashed features; 0 unless given. */
  readonly seed?: number;
  /** So many of a purpose's latest events are looked at for features; 500 unless given. */
  readonly historyEvents?: number;
}

interface Running {
  readonly trigger: Trigger;
  state: TriggerState;
  dueMs: number;
}

const HISTORY_EVENTS = 500;

/** Works through events in order. */
export class TriggerEngine {
  readonly #options: TriggerEngineOptions;
  readonly #running: readonly Running[];
  readonly #history = new Map<string, CapturedEvent[]>();

  /** @throws FeedbackError BAD_RULE where two triggers have one id */
  constructor(options: TriggerEngineOptions) {
    const ids = options.triggers.map(({ id }) => id);
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) throw new FeedbackError("BAD_RULE", `two triggers are called "${twice}"`);
    this.#options = options;
    this.#running = options.triggers.map((trigger) => ({
      trigger,
      state: trigger.start,
      dueMs: Number.POSITIVE_INFINITY,
    }));
  }

  /** When something may fire without an event, milliseconds since the epoch; infinite when nothing waits. */
  get dueMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#running.map(({ dueMs }) => dueMs));
  }

  /** An event of a purpose; what was due before it fires first. */
  event(purpose: string, event: CapturedEvent): Firing[] {
    const firings = this.advance(event.atMs);
    const history = this.#history.get(purpose) ?? [];
    this.#history.set(purpose, history);
    history.push(event);
    const { historyEvents = HISTORY_EVENTS } = this.#options;
    if (history.length > 2 * historyEvents) history.splice(0, history.length - historyEvents);
    for (const running of this.#running) {
      if (running.trigger.purpose === purpose && this.#step(running, { type: "event", event }, event.atMs)) {
        firings.push({ trigger: running.trigger.id, purpose, atMs: event.atMs });
      }
    }
    return firings;
  }

  /** Time has come to a moment: what is due by then fires, in the order in which it was due. */
  advance(nowMs: number): Firing[] {
    const firings: Firing[] = [];
    for (;;) {
      const atMs = this.dueMs;
      if (atMs > nowMs) return firings;
      for (const running of this.#running) {
        if (running.dueMs !== atMs) continue;
        const { id, purpose } = running.trigger;
        if (this.#step(running, { type: "time", atMs }, atMs)) firings.push({ trigger: id, purpose, atMs });
        // A trigger that asks for the same time again would never let time go on.
        if (running.dueMs <= atMs) running.dueMs = Number.POSITIVE_INFINITY;
      }
    }
  }

  /** Forgets what it knows of a purpose: after its withdrawal. */
  forget(purpose: string): void {
    this.#history.delete(purpose);
    for (const running of this.#running) {
      if (running.trigger.purpose !== purpose) continue;
      running.state = running.trigger.start;
      running.dueMs = Number.POSITIVE_INFINITY;
    }
  }

  #step(running: Running, signal: Signal, atMs: number): boolean {
    const { state, fires, dueMs } = running.trigger.next(
      running.state,
      signal,
      this.#surroundings(running.trigger.purpose, atMs),
    );
    running.state = state;
    running.dueMs = dueMs ?? Number.POSITIVE_INFINITY;
    return fires;
  }

  #surroundings(purpose: string, nowMs: number): Surroundings {
    const { features = [], models = [], utcOffsetMinutes = () => 0, seed = 0 } = this.#options;
    const { historyEvents = HISTORY_EVENTS } = this.#options;
    let vector: ReturnType<typeof featureVector> | undefined;
    const compute = () => {
      const events = (this.#history.get(purpose) ?? []).slice(-historyEvents);
      vector ??= featureVector(features, events, { nowMs, utcOffsetMinutes: utcOffsetMinutes(nowMs), seed });
      return vector;
    };
    return {
      features: compute,
      score(id) {
        const model = models.find((each) => each.id === id);
        if (model === undefined)
          throw new FeedbackError("BAD_RULE", `there is no model "${id}"; give it to the engine`);
        return model.score(compute());
      },
    };
  }
}
