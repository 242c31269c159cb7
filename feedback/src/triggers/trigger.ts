// A trigger watches one purpose's events and the clock, and says when something is to be said.
import type { CapturedEvent } from "../capture/event-log.js";
import type { FeatureVector } from "../enrichment/features.js";

/** What a trigger remembers, between signals. */
export type TriggerState = Readonly<Record<string, number>>;

/** What a trigger may look at when something happens. */
export interface Surroundings {
  /** Features of the purpose's log at this moment. */
  features(): FeatureVector;
  /** A score of a local model, from 0 to 1. @throws FeedbackError BAD_RULE where there is no such model */
  score(model: string): number;
}

/** What happens: an event, or the time that the trigger asked to be called at. */
export type Signal =
  | { readonly type: "event"; readonly event: CapturedEvent }
  | { readonly type: "time"; readonly atMs: number };

/** What comes of a signal. */
export interface Step {
  readonly state: TriggerState;
  readonly fires: boolean;
  /** When the trigger wants to be called unless something happens before, milliseconds since the epoch. */
  readonly dueMs?: number;
}

/**
 * One trigger. `next` is a function of what it gets, and nothing else: the same events and times fire it identically. Apps bring
 * their own kinds.
 */
export interface Trigger {
  readonly id: string;
  /** Whose events it sees. */
  readonly purpose: string;
  readonly start: TriggerState;
  next(state: TriggerState, signal: Signal, surroundings: Surroundings): Step;
}

/** That a trigger fired. */
export interface Firing {
  readonly trigger: string;
  readonly purpose: string;
  /** Milliseconds since the epoch: of the event, or when it was due. */
  readonly atMs: number;
}
