import type { Trigger } from "./trigger.js";

/** When a score is high enough. */
export interface ScoreTriggerOptions {
  readonly id: string;
  readonly purpose: string;
  readonly model: string;
  /** Fires when the score comes up to this, from 0 to 1. */
  readonly above: number;
  /** Fires again only after the score was below this; `above` unless given. */
  readonly rearmBelow?: number;
}

/** Fires when a local model's score rises through a threshold, looked at after each event. */
export function scoreTrigger({ id, purpose, model, above, rearmBelow = above }: ScoreTriggerOptions): Trigger {
  return {
    id,
    purpose,
    start: { armed: 1 },
    next(state, signal, surroundings) {
      if (signal.type === "time") return { state, fires: false };
      const score = surroundings.score(model);
      const isArmed = state.armed === 1 || score < rearmBelow;
      const fires = isArmed && score >= above;
      return { state: { armed: isArmed && !fires ? 1 : 0 }, fires };
    },
  };
}
