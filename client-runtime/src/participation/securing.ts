// The course of secure aggregation on a device, as a part of the participation machine: pure, too. Each step begins
// when the round has reached its state and the step before is done.
import { RoundState } from "@fedloop/proto";
import type { Participation, ParticipationEffect, Phase, RoundNews, SecureStep } from "./phases.js";

export type Securing = Extract<Phase, { readonly type: "securing" }>;

const STEPS: readonly SecureStep[] = ["keys", "shares", "masked", "consistency", "unmask"];

const STATE: Readonly<Record<SecureStep, RoundState>> = {
  keys: RoundState.KEYS,
  shares: RoundState.SHARES,
  masked: RoundState.MASKED,
  consistency: RoundState.CONSISTENCY,
  unmask: RoundState.UNMASK,
};

/** What becomes of the phase: it goes on, its update is in the sum for all that this device can tell, or it is lost. */
export type Course =
  | { readonly type: "on"; readonly phase: Securing; readonly begins: boolean }
  | { readonly type: "handed-in"; readonly heard: RoundNews | null }
  | { readonly type: "missed" };

/** The first step. */
export function beginSecuring(plan: Securing["plan"]): Securing {
  return { type: "securing", plan, step: "keys", isDone: false, heard: null };
}

/** Whether the masked update has arrived: from then on it may be part of the sum. */
export function isHandedIn({ step, isDone }: Securing): boolean {
  const handing = STEPS.indexOf("masked");
  return STEPS.indexOf(step) > handing || (STEPS.indexOf(step) === handing && isDone);
}

/** A step is done. */
export function stepDone(phase: Securing): Course {
  if (phase.step === "unmask") return { type: "handed-in", heard: phase.heard };
  return goOn({ ...phase, isDone: true });
}

/** The round is in another state. */
export function heardInSecuring(phase: Securing, heard: RoundNews): Course {
  const next = { ...phase, heard };
  if (heard.state > RoundState.UNMASK) return isHandedIn(phase) ? { type: "handed-in", heard } : { type: "missed" };
  return goOn(next);
}

function goOn(phase: Securing): Course {
  const next = STEPS[STEPS.indexOf(phase.step) + 1];
  if (!phase.isDone || phase.heard === null || next === undefined) return { type: "on", phase, begins: false };
  const { state } = phase.heard;
  if (state < STATE[next]) return { type: "on", phase, begins: false };
  if (state === STATE[next]) return { type: "on", phase: { ...phase, step: next, isDone: false }, begins: true };
  // A step went by unseen. The update counts if it arrived; the others can unmask without this device.
  return isHandedIn(phase) ? { type: "handed-in", heard: phase.heard } : { type: "missed" };
}

/** Starts a phase's step as a task. */
export function secure(
  from: Participation,
  phase: Securing,
  before: readonly ParticipationEffect[] = [],
): { readonly participation: Participation; readonly effects: readonly ParticipationEffect[] } {
  const task = from.task + 1;
  return {
    participation: { ...from, phase, task },
    effects: [...before, { type: "secure", task, plan: phase.plan, step: phase.step }],
  };
}
