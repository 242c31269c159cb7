// Rules as data: what product people write, and publish signed.
import * as z from "zod/mini";
import type { CapturedEvent } from "../capture/event-log.js";
import { FeedbackError } from "../errors.js";
import { type BundleTrust, openBundle } from "../signed/bundle.js";
import { condition, type Logic } from "./condition.js";
import type { Signal, Step, Surroundings, Trigger, TriggerState } from "./trigger.js";

/** What has to happen. */
export type RulePattern =
  /** These events one after the other, others in between do no harm. */
  | { readonly type: "sequence"; readonly events: readonly string[]; readonly withinMinutes: number }
  /** No event, or none of a type, for so long after the last one; once for each such pause. */
  | { readonly type: "inactivity"; readonly event?: string | undefined; readonly minutes: number }
  /** Started and not completed within so long. */
  | { readonly type: "abandonment"; readonly started: string; readonly completed: string; readonly minutes: number }
  /** The event for the so-manieth time; with `repeats` for each multiple. Counts what the log keeps. */
  | {
      readonly type: "milestone";
      readonly event: string;
      readonly count: number;
      readonly repeats?: boolean | undefined;
    };

/** A rule. */
export interface Rule {
  readonly id: string;
  readonly purpose: string;
  readonly on: RulePattern;
  /**
   * JSON Logic over `event` (type and fields of the one that completed the pattern) and `features` (by name; a dot in a name
   * is written as `\\.`); true unless given.
   */
  readonly when?: Logic | undefined;
  /** Fires only where the local model says at least so much. Parts in a thousand, since rules travel without fractions. */
  readonly propensity?: { readonly model: string; readonly atLeastPerMille: number } | undefined;
}

const name = z.string().check(z.regex(/^[a-z][A-Za-z0-9.-]{0,63}$/));
const minutes = z.int().check(z.gte(1), z.lte(525_600));
const pattern = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("sequence"),
    events: z.array(name).check(z.minLength(2), z.maxLength(16)),
    withinMinutes: minutes,
  }),
  z.strictObject({ type: z.literal("inactivity"), event: z.optional(name), minutes }),
  z.strictObject({ type: z.literal("abandonment"), started: name, completed: name, minutes }),
  z.strictObject({
    type: z.literal("milestone"),
    event: name,
    count: z.int().check(z.gte(1)),
    repeats: z.optional(z.boolean()),
  }),
]);
const ruleSchema = z.strictObject({
  id: name,
  purpose: name,
  on: pattern,
  when: z.optional(z.custom<Logic>((value) => value !== undefined)),
  propensity: z.optional(z.strictObject({ model: name, atLeastPerMille: z.int().check(z.gte(0), z.lte(1_000)) })),
});

/** Rules from JSON. @throws FeedbackError BAD_RULE */
export function parseRules(json: unknown): Rule[] {
  const parsed = z.safeParse(z.array(ruleSchema), json);
  if (!parsed.success) {
    const place = parsed.error.issues[0]?.path.map(String).join(" › ");
    throw new FeedbackError("BAD_RULE", `expected a list of rules as documented; look at ${place || "the list"}`);
  }
  return parsed.data;
}

/** Triggers from a signed bundle of the kind "rules". @throws FeedbackError BAD_RULE and those of `openBundle` */
export async function openRules(
  bytes: Uint8Array,
  trust: BundleTrust,
): Promise<{ readonly version: number; readonly triggers: Trigger[] }> {
  const { version, contents } = await openBundle("rules", bytes, trust);
  return { version, triggers: parseRules(contents).map(ruleTrigger) };
}

const MINUTE_MS = 60_000;

/** Whether the pattern is complete after a signal. */
type Recogniser = (state: TriggerState, signal: Signal) => Step;

function recogniser(on: RulePattern): Recogniser {
  switch (on.type) {
    case "sequence":
      return (state, signal) => (signal.type === "event" ? sequence(on, state, signal.event) : still(state));
    case "inactivity":
      return (state, signal) => {
        if (signal.type === "time") return { state: {}, fires: true };
        if (on.event !== undefined && signal.event.type !== on.event) return still(state);
        return waiting(signal.event.atMs + on.minutes * MINUTE_MS);
      };
    case "abandonment":
      return (state, signal) => {
        if (signal.type === "time") return { state: {}, fires: true };
        if (signal.event.type === on.completed) return { state: {}, fires: false };
        return signal.event.type === on.started ? waiting(signal.event.atMs + on.minutes * MINUTE_MS) : still(state);
      };
    case "milestone":
      return (state, signal) => {
        if (signal.type === "time" || signal.event.type !== on.event) return still(state);
        const count = (state.count ?? 0) + 1;
        const fires = on.repeats === true ? count % on.count === 0 : count === on.count;
        return { state: { count }, fires };
      };
  }
}

function still(state: TriggerState): Step {
  return state.dueMs === undefined ? { state, fires: false } : { state, fires: false, dueMs: state.dueMs };
}

function waiting(dueMs: number): Step {
  return { state: { dueMs }, fires: false, dueMs };
}

/**
 * One attempt at a time, begun anew when it has taken too long. An event that could begin another attempt while one is under way
 * does not.
 */
function sequence(
  { events, withinMinutes }: { readonly events: readonly string[]; readonly withinMinutes: number },
  state: TriggerState,
  { type, atMs }: CapturedEvent,
): Step {
  const { done = 0, startMs = 0 } = state;
  const isLate = done > 0 && atMs - startMs > withinMinutes * MINUTE_MS;
  const at = isLate ? 0 : done;
  if (type !== events[at]) return { state: isLate ? {} : state, fires: false };
  if (at + 1 === events.length) return { state: {}, fires: true };
  return { state: { done: at + 1, startMs: at === 0 ? atMs : startMs }, fires: false };
}

function featuresByName({ features }: Surroundings): Readonly<Record<string, number>> {
  const { names, values } = features();
  return Object.fromEntries(names.map((each, i) => [each, values[i] ?? 0]));
}

/** A rule as a trigger. @throws FeedbackError BAD_RULE */
export function ruleTrigger(rule: Rule): Trigger {
  const { id, purpose, on, when, propensity } = rule;
  const recognise = recogniser(on);
  const holds = when === undefined ? undefined : condition(when);
  return {
    id,
    purpose,
    start: {},
    next(state, signal, surroundings) {
      const step = recognise(state, signal);
      if (!step.fires) return step;
      if (propensity !== undefined && surroundings.score(propensity.model) * 1_000 < propensity.atLeastPerMille) {
        return { ...step, fires: false };
      }
      if (holds === undefined) return step;
      const event = signal.type === "event" ? { ...signal.event.fields, type: signal.event.type } : null;
      return { ...step, fires: holds({ event, features: featuresByName(surroundings) }) };
    },
  };
}
