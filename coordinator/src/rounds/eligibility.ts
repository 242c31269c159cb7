import { type ConsentView, eligibleRoot, parseEpsilon, roundUpEpsilon } from "@fedloop/consent";
import type { DpEvent } from "@fedloop/privacy";
import type { Registry } from "../registry/registry.js";
import type { ParticipantBudgets } from "./budget.js";
import type { Schedule } from "./schedule.js";

/** Who may take part in a round: subject → index of the consent entry that allows it. */
export interface Eligible {
  readonly members: Map<string, number>;
  /** Commitment to the set of subjects, base64url: what the plan names. */
  readonly root: string;
  readonly count: number;
}

export interface EligibilityQuestion {
  readonly registry: Registry;
  readonly view: ConsentView;
  readonly budgets: ParticipantBudgets;
  readonly schedule: Schedule;
  /** What the round would cost each participant. */
  readonly event: DpEvent;
  readonly nowMs: number;
}

/**
 * Registered devices whose consent covers the purpose now and whose own budget allows the round: the plan's cap, the
 * population's limit for each participant, and what the participant's own consent set, whichever is lowest.
 */
export async function eligibleParticipants(question: EligibilityQuestion): Promise<Eligible> {
  const { registry, view, budgets, schedule, event, nowMs } = question;
  const members = new Map<string, number>();
  for (const subject of await registry.subjects(schedule.population)) {
    const consent = view.status(subject, schedule.purpose, nowMs);
    if (consent.state !== "given") continue;
    const limits = consent.record?.limits;
    const epsilonLimit = Math.min(
      schedule.participantCap.epsilon,
      limits?.epsilon === null || limits?.epsilon === undefined ? Infinity : parseEpsilon(limits.epsilon),
    );
    const roundLimit = Math.min(schedule.participantCap.rounds, limits?.rounds ?? Infinity);
    if (budgets.rounds(subject) >= roundLimit) continue;
    if (roundUpEpsilon(budgets.epsilonWith(subject, event)) > epsilonLimit) continue;
    members.set(subject, consent.index);
  }
  return { members, root: eligibleRoot(members.keys()), count: members.size };
}
