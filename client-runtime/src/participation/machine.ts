// What a participant does next: pure, so that every course of participation can be tested without a coordinator, a
// clock or a store. The driver carries out the effects and answers with messages.
import { RoundState } from "@fedloop/proto";
import { isGuardCode } from "../errors.js";
import type { Verdict, VerifiedPlan } from "../guard/offer.js";
import {
  AFTER_REFUSAL,
  AT_ONCE,
  abandon,
  checkIn,
  come,
  courseOf,
  type Effects,
  finish,
  goneBy,
  OTHERWISE,
  refuse,
  rest,
  restAndTell,
  restUntilCalled,
  stay,
  verify,
} from "./moves.js";
import type {
  CheckInOutcome,
  Failure,
  Participation,
  ParticipationEffect,
  ParticipationMessage,
  ParticipationStep,
  Phase,
  RoundNews,
} from "./phases.js";
import {
  beginSecuring,
  type Course,
  heardInSecuring,
  isHandedIn,
  type Securing,
  secure,
  stepDone,
} from "./securing.js";

/** A wait that ends sooner than this is spent listening for the next round; through a longer one the device sleeps. */
const LISTEN_MS = 30_000;

export const newParticipation: Participation = {
  phase: { type: "resting", offered: null, round: null, idle: null },
  task: 0,
  lastRefused: 0,
  lastHeard: 0,
  stream: "none",
};

/** The plan of the round that the device has joined or is joining. */
function planOf(phase: Phase): VerifiedPlan | undefined {
  return "plan" in phase ? phase.plan : undefined;
}

/** One step. */
export function stepParticipation(from: Participation, message: ParticipationMessage): ParticipationStep {
  if (from.phase.type === "finished") return stay(from);
  if ("task" in message && message.task !== from.task) return stay(from);
  switch (message.type) {
    case "started":
      return checkIn(from);
    case "rested":
      return from.phase.type === "resting" && from.phase.offered !== null
        ? verify(from, from.phase.offered)
        : checkIn(from);
    case "checkedIn":
      return checkedIn(from, message.outcome);
    case "verified":
      return verified(from, message.verdict);
    case "encoded":
      return encoded(from, message.update);
    case "prepared":
      if (from.phase.type !== "working") return stay(from);
      return from.phase.isLate === true ? keep(from, from.phase.plan) : secure(from, beginSecuring(from.phase.plan));
    case "secured":
      return secured(from);
    case "submitted":
      return submitted(from, message.accepted);
    case "failed":
      return failed(from, message.failure);
    case "news":
      return news(from, message.news);
    case "watchOpened":
      return watchOpened(from);
    case "watchBroken":
      return watchBroken(from);
    case "withdrawn":
      return withdrawn(from, message.purposes, message.remaining);
  }
}

function checkedIn(from: Participation, outcome: CheckInOutcome): ParticipationStep {
  switch (outcome.type) {
    case "finished":
      return finish(from);
    case "wait":
      return toldToWait(from, outcome);
    case "offer":
      return verify(from, outcome);
    case "joined": {
      const { phase } = from;
      if (phase.type !== "joining" || phase.plan.round !== outcome.news.round) {
        // A place from before this process began: what it was to verify is gone, so it gives the place back.
        return rest(from, OTHERWISE, [{ type: "leave", round: outcome.news.round, reason: "ABORTED" }]);
      }
      const { model = null } = outcome;
      const joined: Participation = { ...from, phase: { type: "joined", plan: phase.plan, model } };
      // The event that the cohort is complete may overtake the answer that this device belongs to it.
      const { heard } = phase;
      const isLater = heard !== null && (heard.round > phase.plan.round || heard.state > outcome.news.state);
      const step = news(joined, isLater ? heard : outcome.news);
      return { ...step, effects: [{ type: "watch" }, ...step.effects] };
    }
  }
}

/** What was heard while the answer was under way is newer than the answer. */
function toldToWait(
  from: Participation,
  { window, reason }: Extract<CheckInOutcome, { readonly type: "wait" }>,
): ParticipationStep {
  const { phase } = from;
  const heard = phase.type === "checking" || phase.type === "joining" ? phase.heard : null;
  if (heard?.isLast === true) return finish(from);
  const isNext = phase.type !== "joining" || (heard !== null && heard.round > phase.plan.round);
  if (isNext && heard?.state === RoundState.SELECTING) return come({ ...from, lastHeard: heard.round }, heard);
  return restUntilCalled(from, { asked: window, reason }, window.beforeMs <= LISTEN_MS ? [{ type: "watch" }] : []);
}

function verified(from: Participation, verdict: Verdict): ParticipationStep {
  if (from.phase.type !== "verifying") return stay(from);
  if (!verdict.ok) return refuse(from, from.phase.round, verdict.code, verdict.message);
  return join(from, verdict.plan);
}

function join(from: Participation, plan: VerifiedPlan): ParticipationStep {
  const task = from.task + 1;
  return {
    participation: { ...from, phase: { type: "joining", plan, heard: null }, task },
    effects: [{ type: "checkIn", task, join: plan }],
  };
}

function encoded(from: Participation, update: Uint8Array): ParticipationStep {
  if (from.phase.type !== "working") return stay(from);
  const { plan } = from.phase;
  if (from.phase.isLate === true) return keep(from, plan);
  const task = from.task + 1;
  return {
    participation: { ...from, phase: { type: "submitting", plan, heard: null }, task },
    effects: [
      { type: "emit", event: { type: "masked", round: plan.round, bytes: update.length } },
      { type: "submit", task, plan, update },
    ],
  };
}

/** The update came too late for its round, and is kept for the next one that takes updates of its model. */
function keep(from: Participation, plan: VerifiedPlan): ParticipationStep {
  return rest(from, AT_ONCE, [{ type: "emit", event: { type: "abandoned", round: plan.round, reason: "LATE" } }]);
}

/** Whether training goes on when its round has closed: a later round may take the update. */
function goesOn({ type, plan }: { readonly type: string; readonly plan: VerifiedPlan }): boolean {
  return type === "working" && plan.body.staleness !== undefined;
}

function submitted(from: Participation, accepted: boolean): ParticipationStep {
  if (from.phase.type !== "submitting") return stay(from);
  const { plan, heard } = from.phase;
  if (!accepted) return abandon(from, plan.round, "NOT_ACCEPTED", null);
  const next: Participation = { ...from, phase: { type: "submitted", plan, released: false } };
  // The event that the round is over may overtake the answer to the last submission.
  const step = heard === null ? stay(next) : news(next, heard);
  const accept: ParticipationEffect = { type: "emit", event: { type: "accepted", round: plan.round } };
  return { ...step, effects: [accept, ...step.effects] };
}

function secured(from: Participation): ParticipationStep {
  const { phase } = from;
  if (phase.type !== "securing") return stay(from);
  const step = follow(from, phase, stepDone(phase));
  if (phase.step !== "masked") return step;
  const accept: ParticipationEffect = { type: "emit", event: { type: "accepted", round: phase.plan.round } };
  return { ...step, effects: [accept, ...step.effects] };
}

function follow(from: Participation, { plan }: Securing, course: Course): ParticipationStep {
  switch (course.type) {
    case "on":
      return course.begins ? secure(from, course.phase) : stay({ ...from, phase: course.phase });
    case "missed":
      return abandon(from, plan.round, "MISSED", null);
    case "handed-in": {
      const next: Participation = {
        ...from,
        task: from.task + 1,
        phase: { type: "submitted", plan, released: false },
      };
      const step = course.heard === null ? stay(next) : news(next, course.heard);
      return { ...step, effects: [{ type: "stop" }, ...step.effects] };
    }
  }
}

function failed(from: Participation, failure: Failure): ParticipationStep {
  // The others' shares were enough, and the round went on before this device's came.
  if (from.phase.type === "securing" && from.phase.step === "unmask" && failure.kind === "stale") {
    return follow(from, from.phase, { type: "handed-in", heard: from.phase.heard });
  }
  // Who only asked for a place has no round to abandon.
  const plan = from.phase.type === "joining" ? undefined : planOf(from.phase);
  switch (failure.kind) {
    case "stale":
      return plan === undefined ? rest(from, OTHERWISE) : abandon(from, plan.round, failure.code, null);
    case "budget":
      return restAndTell(from, AFTER_REFUSAL, "budget");
    // The round was planned before this device's consent, or its budget does not allow it: the next one may take it.
    case "ineligible":
      return restAndTell(from, OTHERWISE, "not-eligible");
    case "unreachable":
      return plan === undefined
        ? restAndTell(from, AFTER_REFUSAL, "unreachable")
        : abandon(from, plan.round, failure.code, null);
    case "guard": {
      const round = planOf(from.phase)?.round;
      return round === undefined
        ? { participation: from, effects: [{ type: "fail", failure }] }
        : refuse(from, round, isGuardCode(failure.code) ? failure.code : "GUARD_BAD_PLAN", failure.message);
    }
    case "local":
      return plan === undefined
        ? { participation: from, effects: [{ type: "fail", failure }] }
        : abandon(from, plan.round, failure.code, null, [{ type: "leave", round: plan.round, reason: failure.code }]);
    case "remote":
      return plan === undefined
        ? { participation: from, effects: [{ type: "fail", failure }] }
        : abandon(from, plan.round, failure.code, null);
  }
}

function news(from: Participation, came: RoundNews): ParticipationStep {
  const { phase } = from;
  const plan = planOf(phase);
  if (came.isLast && phase.type === "resting") return finish(from);
  if (came.isLast && phase.type === "checking") return stay({ ...from, phase: { ...phase, heard: came } });
  // A round begins to select: who waits checks in, spread out as the coordinator asks.
  if (came.state === RoundState.SELECTING && came.round > from.lastHeard) {
    const heard = { ...from, lastHeard: came.round };
    if (phase.type === "resting") return come(heard, came);
    // The event may overtake the answer that there is nothing to do yet.
    if (phase.type === "checking") return stay({ ...heard, phase: { ...phase, heard: came } });
  }
  const isComing = phase.type === "resting" || phase.type === "verifying";
  if (isComing && came.round === phase.round && came.state > RoundState.SELECTING) return goneBy(from, came);
  if (plan === undefined || came.round < plan.round) return stay(from);
  if (phase.type === "joining") {
    return stay({ ...from, phase: { ...phase, heard: came } });
  }
  // A later round has begun: this one ended unseen, and the log will tell how.
  if (came.round > plan.round) {
    const heard = { ...from, lastHeard: came.round };
    if (phase.type === "working" && goesOn(phase)) return stay({ ...heard, phase: { ...phase, isLate: true } });
    if (phase.type === "submitted") return come(heard, came);
    // The others can unmask without this device.
    if (phase.type === "securing" && isHandedIn(phase)) return come(heard, came, [{ type: "stop" }]);
    return abandon(heard, plan.round, "MISSED", came.next ?? AT_ONCE);
  }
  const course = courseOf(came.state);
  if (course === "abandoned") return abandon(from, plan.round, came.reason, came.next);
  switch (phase.type) {
    case "joined":
      if (course === "selecting") return stay(from);
      return course === "open" ? work(from, phase) : abandon(from, plan.round, "MISSED", came.next);
    case "working":
      if (course === "open" || course === "selecting") return stay(from);
      if (goesOn(phase)) return stay({ ...from, phase: { ...phase, isLate: true } });
      return abandon(from, plan.round, "MISSED", came.next);
    case "securing":
      return follow(from, phase, heardInSecuring(phase, came));
    case "submitting":
      // Perhaps with this update, perhaps without: the answer under way says.
      return stay({ ...from, phase: { ...phase, heard: came } });
    case "submitted":
      return afterSubmission(from, phase, course, came);
    default:
      return stay(from);
  }
}

function work(from: Participation, { plan, model }: Extract<Phase, { readonly type: "joined" }>): ParticipationStep {
  const task = from.task + 1;
  return {
    participation: { ...from, phase: { type: "working", plan }, task },
    effects: [{ type: "work", task, plan, model }],
  };
}

function afterSubmission(
  from: Participation,
  phase: Extract<Phase, { readonly type: "submitted" }>,
  course: ReturnType<typeof courseOf>,
  { next, isLast }: RoundNews,
): ParticipationStep {
  if (course !== "released" && course !== "closed") return stay(from);
  const { round } = phase.plan;
  const tell: Effects = phase.released
    ? []
    : [
        { type: "settle", round },
        { type: "emit", event: { type: "released", round } },
      ];
  if (course === "released") {
    return { participation: { ...from, phase: { ...phase, released: true } }, effects: tell };
  }
  return isLast ? finish(from, tell) : restUntilCalled(from, { asked: next ?? OTHERWISE, reason: "round-over" }, tell);
}

/** A coordinator that was started anew has forgotten who had joined a round that still selects. */
function watchOpened(from: Participation): ParticipationStep {
  if (from.stream === "open") return stay(from);
  const open: Participation = { ...from, stream: "open" };
  return from.stream === "broken" && from.phase.type === "joined" ? join(open, from.phase.plan) : restAnew(open);
}

/** Nobody calls any more, and a round may begin to select anew meanwhile. */
function watchBroken(from: Participation): ParticipationStep {
  return from.stream === "broken" ? stay(from) : restAnew({ ...from, stream: "broken", lastHeard: 0 });
}

/** How long a device with nothing to do rests depends on whether it listens. */
function restAnew(from: Participation): ParticipationStep {
  return from.phase.type === "resting" && from.phase.idle !== null
    ? restUntilCalled(from, from.phase.idle)
    : stay(from);
}

function withdrawn(from: Participation, purposes: readonly string[], remaining: number): ParticipationStep {
  const plan = planOf(from.phase);
  const concerned = plan !== undefined && purposes.includes(plan.body.purpose);
  const handedIn = from.phase.type === "submitted";
  const effects: Effects =
    concerned && !handedIn
      ? [
          { type: "stop" },
          { type: "leave", round: plan.round, reason: "GUARD_WITHDRAWN" },
          { type: "emit", event: { type: "abandoned", round: plan.round, reason: "GUARD_WITHDRAWN" } },
        ]
      : [];
  if (remaining === 0) return finish(from, effects);
  return concerned ? checkIn(from, effects) : stay(from);
}
