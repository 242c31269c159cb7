// When a message may be shown. Each limit is a function of the state and the moment; apps add their own.
import { FeedbackError } from "../errors.js";
import { type DeliveryState, type MessageClass, SESSION_PAUSE_MS, WEEK_MS } from "./state.js";

/** When and where. */
export interface DeliveryMoment {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Of the person's own time, east of Greenwich. */
  readonly utcOffsetMinutes: number;
}

/** What comes of asking. */
export type Verdict =
  | { readonly type: "show" }
  /** Not now: ask again at that time, not before. */
  | { readonly type: "wait"; readonly untilMs: number; readonly limit: string }
  | { readonly type: "suppress"; readonly limit: string };

/** One limit. */
export interface DeliveryLimit {
  readonly name: string;
  /** Whether it holds for critical messages; it does not unless it says so. */
  readonly bindsCritical?: boolean;
  /** @returns undefined where it has nothing against it, else when to ask again (infinite: never) */
  heldUntilMs(messageClass: MessageClass, state: DeliveryState, moment: DeliveryMoment): number | undefined;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const MINUTES_A_DAY = 1_440;

function countFrom(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new FeedbackError("BAD_OPTION", `expected ${name} to be a whole number from ${least}, came ${value}`);
}

/** When fewer than `cap` of the times will lie within a window, or undefined where that is so now. */
function freeAtMs(times: readonly number[], cap: number, windowMs: number, nowMs: number): number | undefined {
  if (cap === 0) return Number.POSITIVE_INFINITY;
  const within = times.filter((each) => each > nowMs - windowMs);
  const oldest = within[within.length - cap];
  return oldest === undefined ? undefined : oldest + windowMs;
}

/** Most messages in one session, in any 24 hours and in any 7 days. */
export interface Caps {
  readonly perSession: number;
  readonly perDay: number;
  readonly perWeek: number;
}

export function caps({ perSession, perDay, perWeek }: Caps): DeliveryLimit {
  countFrom("perSession", perSession, 0);
  countFrom("perDay", perDay, 0);
  countFrom("perWeek", perWeek, 0);
  return {
    name: "caps",
    heldUntilMs(_class, { session, shownMs }, { nowMs }) {
      const isSameSession = nowMs - session.lastMs <= SESSION_PAUSE_MS;
      const sessionEndMs =
        isSameSession && session.shown >= perSession ? session.lastMs + SESSION_PAUSE_MS + 1 : undefined;
      return latest([
        perSession === 0 ? Number.POSITIVE_INFINITY : sessionEndMs,
        freeAtMs(shownMs, perDay, DAY_MS, nowMs),
        freeAtMs(shownMs, perWeek, WEEK_MS, nowMs),
      ]);
    },
  };
}

/** Most critical messages in any 24 hours: also an alarm that never ends is no alarm. */
export function criticalCap(perDay: number): DeliveryLimit {
  countFrom("perDay", perDay, 0);
  return {
    name: "critical-cap",
    bindsCritical: true,
    heldUntilMs: (messageClass, { criticalMs }, { nowMs }) =>
      messageClass === "critical" ? freeAtMs(criticalMs, perDay, DAY_MS, nowMs) : undefined,
  };
}

/** Least time between two messages. */
export function coolDown(minutes: number): DeliveryLimit {
  countFrom("minutes", minutes, 1);
  return {
    name: "cool-down",
    heldUntilMs: (_class, { shownMs }, { nowMs }) => freeAtMs(shownMs, 1, minutes * MINUTE_MS, nowMs),
  };
}

function minuteOfDay(text: string): number {
  const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  if (hour === undefined) throw new FeedbackError("BAD_OPTION", `expected a time such as 22:00, came "${text}"`);
  return Number(hour) * 60 + Number(minute);
}

/** No messages from one time of the person's day to another, over midnight where it is later. */
export function quietHours(from: string, to: string): DeliveryLimit {
  const [start, end] = [minuteOfDay(from), minuteOfDay(to)];
  if (start === end) throw new FeedbackError("BAD_OPTION", `expected quiet hours that end, came ${from} to ${to}`);
  return {
    name: "quiet-hours",
    heldUntilMs(_class, _state, { nowMs, utcOffsetMinutes }) {
      const localMs = nowMs + utcOffsetMinutes * MINUTE_MS;
      const minute = Math.floor(localMs / MINUTE_MS) % MINUTES_A_DAY;
      const isQuiet = start < end ? minute >= start && minute < end : minute >= start || minute < end;
      if (!isQuiet) return undefined;
      const left = (end - minute + MINUTES_A_DAY) % MINUTES_A_DAY;
      return nowMs - (localMs % MINUTE_MS) + left * MINUTE_MS;
    },
  };
}

/** How the cadence learns. */
export interface CadenceOptions {
  /** Time between messages while they are opened, in minutes. */
  readonly minutes: number;
  /** After that many dismissals in a row the time no longer doubles; 6 unless given. */
  readonly mostDoublings?: number;
  /** From so many messages shown on, hours in which few are opened are left out; 20 unless given. */
  readonly learnAfter?: number;
}

/**
 * Learns from what the person does: each dismissal in a row doubles the time to the next message, one that is opened brings it
 * back; and hours of the day with less than half of the best hour's openings (smoothed by Laplace's rule) are left out.
 */
export function learnedCadence({ minutes, mostDoublings = 6, learnAfter = 20 }: CadenceOptions): DeliveryLimit {
  countFrom("minutes", minutes, 1);
  const isGood = ({ shownByHour, openedByHour }: DeliveryState, hour: number): boolean => {
    const rate = (at: number): number => ((openedByHour[at] ?? 0) + 1) / ((shownByHour[at] ?? 0) + 2);
    return rate(hour) >= Math.max(...shownByHour.map((_, at) => rate(at))) / 2;
  };
  return {
    name: "cadence",
    heldUntilMs(_class, state, { nowMs, utcOffsetMinutes }) {
      const pauseMs = minutes * MINUTE_MS * 2 ** Math.min(state.dismissals, mostDoublings);
      const pausedUntilMs = freeAtMs(state.shownMs, 1, pauseMs, nowMs);
      if (state.shownByHour.reduce((sum, each) => sum + each, 0) < learnAfter) return pausedUntilMs;
      const localMs = nowMs + utcOffsetMinutes * MINUTE_MS;
      const hour = Math.floor(localMs / (60 * MINUTE_MS)) % 24;
      const wait = Array.from({ length: 24 }, (_, ahead) => ahead).find((ahead) => isGood(state, (hour + ahead) % 24));
      const goodMs =
        wait === undefined || wait === 0 ? undefined : nowMs - (localMs % (60 * MINUTE_MS)) + wait * 60 * MINUTE_MS;
      return latest([pausedUntilMs, goodMs]);
    },
  };
}

function latest(times: readonly (number | undefined)[]): number | undefined {
  return times.reduce((most, each) => (each === undefined || (most ?? each) > each ? most : each), undefined);
}

/**
 * Whether a message may be shown now. Who has opted out gets none, whatever its class and whatever the limits say.
 */
export function decide(
  messageClass: MessageClass,
  state: DeliveryState,
  limits: readonly DeliveryLimit[],
  moment: DeliveryMoment,
): Verdict {
  if (state.optedOut) return { type: "suppress", limit: "opt-out" };
  let held: { untilMs: number; limit: string } | undefined;
  for (const limit of limits) {
    if (messageClass === "critical" && limit.bindsCritical !== true) continue;
    const untilMs = limit.heldUntilMs(messageClass, state, moment);
    if (untilMs !== undefined && untilMs > (held?.untilMs ?? Number.NEGATIVE_INFINITY)) {
      held = { untilMs, limit: limit.name };
    }
  }
  if (held === undefined) return { type: "show" };
  if (held.untilMs === Number.POSITIVE_INFINITY) return { type: "suppress", limit: held.limit };
  return { type: "wait", ...held };
}
