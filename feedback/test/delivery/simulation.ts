// People for years, and a checker that knows the limits from their sentences alone.
import {
  afterDelivery,
  caps,
  coolDown,
  criticalCap,
  type DeliveryLimit,
  decide,
  freshDelivery,
  learnedCadence,
  type MessageClass,
  quietHours,
  seededNumbers,
} from "../../src/index.js";
import { START_MS } from "../manual-clock.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PER_SESSION = 2;
const PER_DAY = 3;
const PER_WEEK = 8;
const CRITICAL_PER_DAY = 2;
const COOL_DOWN_MINUTES = 45;
const PAUSE_MS = 30 * MINUTE_MS;

/** Limits by name. */
export interface SimulatedLimits {
  readonly caps: DeliveryLimit;
  readonly "cool-down": DeliveryLimit;
  readonly "quiet-hours": DeliveryLimit;
  readonly "critical-cap": DeliveryLimit;
  readonly cadence: DeliveryLimit;
}

/** What came of it. */
export interface Simulation {
  readonly shown: number;
  readonly critical: number;
  readonly optedOut: number;
  readonly violations: readonly string[];
}

const LIMITS: SimulatedLimits = {
  caps: caps({ perSession: PER_SESSION, perDay: PER_DAY, perWeek: PER_WEEK }),
  "cool-down": coolDown(COOL_DOWN_MINUTES),
  "quiet-hours": quietHours("22:00", "07:30"),
  "critical-cap": criticalCap(CRITICAL_PER_DAY),
  cadence: learnedCadence({ minutes: 10 }),
};

interface Shown {
  readonly atMs: number;
  readonly class: MessageClass;
  readonly session: number;
}

/** What is wrong with showing one more message; nothing where all limits hold. */
function violation(
  history: readonly Shown[],
  next: Shown,
  utcOffsetMinutes: number,
  optedOut: boolean,
): string | undefined {
  if (optedOut) return "shown after the opt-out";
  const isCritical = next.class === "critical";
  const alike = history.filter((each) => (each.class === "critical") === isCritical);
  const within = (ms: number): number => alike.filter(({ atMs }) => atMs > next.atMs - ms).length + 1;
  if (isCritical) return within(DAY_MS) > CRITICAL_PER_DAY ? "too many critical ones in a day" : undefined;
  if (within(DAY_MS) > PER_DAY) return "too many in a day";
  if (within(7 * DAY_MS) > PER_WEEK) return "too many in a week";
  if (within(COOL_DOWN_MINUTES * MINUTE_MS) > 1) return "too soon";
  if (alike.filter(({ session }) => session === next.session).length + 1 > PER_SESSION) return "too many in a session";
  const local = new Date(next.atMs + utcOffsetMinutes * MINUTE_MS);
  const time = local.toISOString().slice(11, 16);
  return time >= "22:00" || time < "07:30" ? `shown at ${time}` : undefined;
}

/**
 * Decisions for one person after the other, each for a while: activity in sessions, messages of all classes asked for at any time,
 * answers, and in the end for some an opt-out.
 *
 * @param without a limit that is left out, so that the checker can be seen to notice
 */
export function simulate(seed: string, decisions: number, without?: keyof SimulatedLimits): Simulation {
  const random = seededNumbers(seed);
  const limits = Object.entries(LIMITS).flatMap(([name, limit]: [string, DeliveryLimit]) =>
    name === without ? [] : [limit],
  );
  const violations: string[] = [];
  let [shownInAll, criticalInAll, optedOutInAll] = [0, 0, 0];
  for (let left = decisions; left > 0; ) {
    let state = freshDelivery;
    let nowMs = START_MS + random.below(365) * DAY_MS;
    let utcOffsetMinutes = (random.below(27) - 12) * 60;
    let history: Shown[] = [];
    let session = 0;
    let lastActivityMs = Number.NEGATIVE_INFINITY;
    let optedOut = false;
    for (let own = 500 + random.below(2_000); own > 0 && left > 0; own--, left--) {
      // Sometimes at the same moment, mostly minutes, sometimes days later.
      const leap = random.uniform();
      nowMs += leap < 0.1 ? 0 : leap < 0.9 ? random.below(40 * MINUTE_MS) : random.below(3 * DAY_MS);
      if (random.uniform() < 0.002) utcOffsetMinutes += random.uniform() < 0.5 ? 60 : -60;
      if (random.uniform() < 0.6) {
        if (nowMs - lastActivityMs > PAUSE_MS) session += 1;
        lastActivityMs = nowMs;
        state = afterDelivery(state, { type: "activity", atMs: nowMs });
      }
      const current = nowMs - lastActivityMs > PAUSE_MS ? Number.NaN : session;
      const kind = random.uniform();
      const messageClass: MessageClass = kind < 0.05 ? "critical" : kind < 0.2 ? "digest" : "normal";
      if (decide(messageClass, state, limits, { nowMs, utcOffsetMinutes }).type === "show") {
        const next = { atMs: nowMs, class: messageClass, session: current };
        const wrong = violation(history, next, utcOffsetMinutes, optedOut);
        if (wrong !== undefined) violations.push(wrong);
        history = [...history.filter(({ atMs }) => atMs > nowMs - 7 * DAY_MS), next];
        shownInAll += 1;
        if (messageClass === "critical") criticalInAll += 1;
        const localHour = Math.floor((nowMs / MINUTE_MS + utcOffsetMinutes) / 60) % 24;
        state = afterDelivery(state, { type: "shown", class: messageClass, atMs: nowMs, localHour });
        const answer = random.uniform();
        if (answer < 0.5) state = afterDelivery(state, { type: "opened", localHour });
        else if (answer < 0.7) state = afterDelivery(state, { type: "dismissed" });
      }
      if (!optedOut && random.uniform() < 0.0005) {
        optedOut = true;
        optedOutInAll += 1;
        state = afterDelivery(state, { type: "opted-out" });
      }
    }
  }
  return { shown: shownInAll, critical: criticalInAll, optedOut: optedOutInAll, violations };
}
