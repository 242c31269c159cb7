// The moves that a participant's steps are made of: check in, rest, come, verify, refuse, leave a round, finish.
import { RoundState } from "@fedloop/proto";
import type { GuardCode } from "../errors.js";
import type { WaitingReason } from "./events.js";
import type {
  Idle,
  Offered,
  Participation,
  ParticipationEffect,
  ParticipationStep,
  RoundNews,
  Window,
} from "./phases.js";

/** Where the coordinator names no window. */
export const OTHERWISE: Window = { afterMs: 1_000, beforeMs: 5_000 };
export const AFTER_REFUSAL: Window = { afterMs: 5_000, beforeMs: 15_000 };
export const AT_ONCE: Window = { afterMs: 0, beforeMs: 0 };
/** For who listens: the next round's beginning calls it. */
const UNLESS_HEARD: Window = { afterMs: 60_000, beforeMs: 120_000 };

export type Effects = readonly ParticipationEffect[];

export function stay(participation: Participation): ParticipationStep {
  return { participation, effects: [] };
}

export function checkIn(from: Participation, before: Effects = []): ParticipationStep {
  const task = from.task + 1;
  return {
    participation: { ...from, phase: { type: "checking", heard: null }, task },
    effects: [...before, { type: "checkIn", task, join: null }],
  };
}

export function rest(from: Participation, window: Window, before: Effects = []): ParticipationStep {
  const task = from.task + 1;
  return {
    participation: { ...from, phase: { type: "resting", offered: null, round: null, idle: null }, task },
    effects: [...before, { type: "rest", task, window }],
  };
}

/** A round has begun to select: at a time of its own in the round's window, the device comes. */
export function come(
  from: Participation,
  { round, next, offered }: RoundNews,
  before: Effects = [],
): ParticipationStep {
  const { participation, effects } = rest(from, next ?? AT_ONCE, before);
  const phase = { type: "resting", offered: offered ?? null, round, idle: null } as const;
  return { participation: { ...participation, phase }, effects };
}

/** The round that the device was to come to has gone on without it: a call would only be told so. */
export function goneBy(from: Participation, { state, next }: RoundNews): ParticipationStep {
  const course = courseOf(state);
  return course === "abandoned" || course === "closed"
    ? restUntilCalled(from, { asked: next ?? OTHERWISE, reason: "no-round" })
    : restUntilCalled(from, { asked: AFTER_REFUSAL, reason: "cohort-full" });
}

export function verify(from: Participation, { offer, known }: Offered): ParticipationStep {
  const task = from.task + 1;
  return {
    participation: { ...from, phase: { type: "verifying", round: Number(offer.round) }, task },
    effects: [{ type: "verify", task, offer, known }],
  };
}

export function restAndTell(
  from: Participation,
  window: Window,
  reason: WaitingReason,
  before: Effects = [],
): ParticipationStep {
  return rest(from, window, [...before, { type: "emit", event: { type: "waiting", reason, ...window } }]);
}

/**
 * Rests with nothing to do. The next round's beginning calls a device that listens, so it rests longer than it was asked to, as
 * long as its stream is open.
 */
export function restUntilCalled(from: Participation, idle: Idle, before: Effects = []): ParticipationStep {
  const { asked, reason } = idle;
  const isCalled = from.stream === "open" && asked.beforeMs < UNLESS_HEARD.beforeMs;
  const { participation, effects } = restAndTell(from, isCalled ? UNLESS_HEARD : asked, reason, before);
  return { participation: { ...participation, phase: { type: "resting", offered: null, round: null, idle } }, effects };
}

export function finish(from: Participation, before: Effects = []): ParticipationStep {
  return {
    participation: { ...from, phase: { type: "finished" }, task: from.task + 1 },
    effects: [...before, { type: "stop" }, { type: "finish" }],
  };
}

export function refuse(from: Participation, round: number, code: GuardCode, message: string): ParticipationStep {
  const leave: ParticipationEffect = { type: "leave", round, reason: code };
  const told: Effects =
    from.lastRefused === round ? [] : [{ type: "emit", event: { type: "refused", round, code, message } }];
  return rest({ ...from, lastRefused: round }, AFTER_REFUSAL, [leave, ...told]);
}

export function abandon(
  from: Participation,
  round: number,
  reason: string,
  next: Window | null,
  before: Effects = [],
): ParticipationStep {
  const emit: ParticipationEffect = { type: "emit", event: { type: "abandoned", round, reason } };
  return rest(from, next ?? OTHERWISE, [{ type: "stop" }, ...before, emit]);
}

/** How a round event reads for who has joined: does the round still select, take updates, or is it past that? */
export function courseOf(state: RoundState): "selecting" | "open" | "past" | "released" | "closed" | "abandoned" {
  if (state <= RoundState.SELECTING) return "selecting";
  if (state <= RoundState.MASKED) return "open";
  if (state === RoundState.ABANDONED) return "abandoned";
  if (state === RoundState.CLOSED) return "closed";
  return state === RoundState.RELEASED ? "released" : "past";
}
