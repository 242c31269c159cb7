// What a device remembers of the messages it has shown: a value, and how it changes.
import * as z from "zod/mini";

export const MESSAGE_CLASSES = ["normal", "digest", "critical"] as const;

/**
 * "normal" messages wait or are given up where a limit says so; "digest" ones always wait to be shown together; "critical" ones
 * pass all limits but their own, and the opt-out.
 */
export type MessageClass = (typeof MESSAGE_CLASSES)[number];

/** What happened with messages. */
export type DeliveryEvent =
  /** The person did something: sessions are made of this. */
  | { readonly type: "activity"; readonly atMs: number }
  | { readonly type: "shown"; readonly class: MessageClass; readonly atMs: number; readonly localHour: number }
  | { readonly type: "opened"; readonly localHour: number }
  | { readonly type: "dismissed" }
  /** For good: no event leads out of it. */
  | { readonly type: "opted-out" };

/** All that limits look at. Plain JSON. */
export interface DeliveryState {
  readonly optedOut: boolean;
  /** When normal messages and digests were shown within the last week, ascending. */
  readonly shownMs: readonly number[];
  /** The same of critical ones. */
  readonly criticalMs: readonly number[];
  readonly session: { readonly startMs: number; readonly lastMs: number; readonly shown: number };
  /** Messages dismissed in a row; an opened one sets it to 0. */
  readonly dismissals: number;
  /** Messages shown and opened in each hour of the person's day. */
  readonly shownByHour: readonly number[];
  readonly openedByHour: readonly number[];
}

export const WEEK_MS: number = 7 * 86_400_000;
/** A session ends after a pause of this. */
export const SESSION_PAUSE_MS: number = 30 * 60_000;

const hours = z.array(z.number()).check(z.length(24));
export const deliveryStateSchema: z.ZodMiniType<DeliveryState> = z.strictObject({
  optedOut: z.boolean(),
  shownMs: z.array(z.number()),
  criticalMs: z.array(z.number()),
  session: z.strictObject({ startMs: z.number(), lastMs: z.number(), shown: z.number() }),
  dismissals: z.number(),
  shownByHour: hours,
  openedByHour: hours,
});

const NO_HOURS: readonly number[] = Array.from({ length: 24 }, () => 0);

/** Of a device that has shown nothing yet. */
export const freshDelivery: DeliveryState = {
  optedOut: false,
  shownMs: [],
  criticalMs: [],
  session: { startMs: 0, lastMs: Number.MIN_SAFE_INTEGER, shown: 0 },
  dismissals: 0,
  shownByHour: NO_HOURS,
  openedByHour: NO_HOURS,
};

function withinWeek(times: readonly number[], atMs: number): number[] {
  return [...times.filter((each) => each > atMs - WEEK_MS), atMs];
}

function counted(hoursOfDay: readonly number[], hour: number): number[] {
  return hoursOfDay.map((count, at) => (at === hour ? count + 1 : count));
}

/** The state after an event. */
export function afterDelivery(state: DeliveryState, event: DeliveryEvent): DeliveryState {
  switch (event.type) {
    case "activity": {
      const { startMs, lastMs, shown } = state.session;
      const isNew = event.atMs - lastMs > SESSION_PAUSE_MS;
      const session = isNew
        ? { startMs: event.atMs, lastMs: event.atMs, shown: 0 }
        : { startMs, lastMs: event.atMs, shown };
      return { ...state, session };
    }
    case "shown": {
      if (event.class === "critical") return { ...state, criticalMs: withinWeek(state.criticalMs, event.atMs) };
      return {
        ...state,
        shownMs: withinWeek(state.shownMs, event.atMs),
        session: { ...state.session, shown: state.session.shown + 1 },
        shownByHour: counted(state.shownByHour, event.localHour),
      };
    }
    case "opened":
      return { ...state, dismissals: 0, openedByHour: counted(state.openedByHour, event.localHour) };
    case "dismissed":
      return { ...state, dismissals: state.dismissals + 1 };
    case "opted-out":
      return { ...state, optedOut: true };
  }
}
