import { type ConsentRecord, EligibleTree, parseEpsilon, roundUpEpsilon } from "@fedloop/consent";
import type { Ledger } from "../ledger/ledger.js";
import type { Registry } from "../registry/registry.js";
import type { RoundCost } from "./budget.js";
import type { ParticipantBudgets } from "./participant-budgets.js";
import type { Schedule } from "./schedule.js";
import { inSlices } from "./turns.js";

/** Who may take part in a round. */
export interface Eligible {
  /** Whom the round takes: subject → index of the consent entry that allows it. */
  readonly members: Map<string, number>;
  /** How many entries of the log the consents were read from. */
  readonly treeSize: number;
  /**
   * Everyone whose consent stood in that tree, in ascending order: an auditor finds them from the log alone, so they are held
   * too whom the round does not take for another reason.
   */
  readonly consenting: readonly string[];
  /** When the first of these consents ends, milliseconds since 1970: what is said of them is true before. */
  readonly untilMs: number;
}

/** What a plan says of those who consent. */
export interface EligibleCommitment {
  readonly treeSize: number;
  readonly count: number;
  /** base64url. */
  readonly root: string;
}

export interface EligibilityQuestion {
  readonly registry: Pick<Registry, "subjects">;
  /** Its view may be replaced by a commit: it is read when the answer is made. */
  readonly ledger: Pick<Ledger, "view" | "lastTimeMs">;
  readonly budgets: ParticipantBudgets;
  readonly schedule: Schedule;
  /** What the round would cost each participant. */
  readonly cost: RoundCost;
  /** The round's place in a run, whose event says how rare and how far apart a participant's steps are. */
  readonly run?: { readonly name: string | undefined; readonly step: number } | undefined;
  readonly clock: { now(): number };
  /** Only consents before this size of the log count: the tree that a logged plan names. */
  readonly treeSize?: number | undefined;
  /** A monotonic clock, milliseconds, by which long work leaves others their turn. */
  readonly nowMs?: () => number;
}

/**
 * Registered devices whose consent covers the purpose now and whose own budget allows the round: the plan's cap, the
 * population's limit for each participant, and what the participant's own consent set, whichever is lowest.
 */
export async function eligibleParticipants(question: EligibilityQuestion): Promise<Eligible> {
  const { registry, schedule } = question;
  const { population, purpose } = schedule;
  const registered = await registry.subjects(population);
  // The log may grow from here on: all that is asked of it below is asked of the tree of this size.
  const { view } = question.ledger;
  // What is written now is stamped so, and judged by its stamp.
  const nowMs = Math.max(question.clock.now(), question.ledger.lastTimeMs);
  const treeSize = question.treeSize ?? view.size;
  const consenting = view.eligible(population, purpose, nowMs, treeSize);
  const members = new Map<string, number>();
  let untilMs = Number.POSITIVE_INFINITY;
  const take = (subject: string): void => {
    const { state, record, index } = view.status(subject, purpose, nowMs, treeSize);
    if (state === "given" && record !== null && mayTakePart(question, subject, record.limits)) {
      members.set(subject, index);
    }
  };
  await inSlices(registered, take, question.nowMs);
  const look = (subject: string): void => {
    const { record } = view.status(subject, purpose, nowMs, treeSize);
    untilMs = Math.min(untilMs, record?.event.validUntil ?? Number.POSITIVE_INFINITY);
  };
  await inSlices(consenting, look, question.nowMs);
  return { members, treeSize, consenting, untilMs };
}

/** Commits to all who consent: some milliseconds for each thousand, so it is for plans only. */
export async function commitTo(
  { consenting, treeSize }: Pick<Eligible, "consenting" | "treeSize">,
  nowMs?: () => number,
): Promise<EligibleCommitment> {
  const tree = new EligibleTree();
  await inSlices(consenting, (subject) => tree.add(subject), nowMs);
  return { treeSize, count: tree.count, root: tree.root() };
}

type BudgetQuestion = Pick<EligibilityQuestion, "budgets" | "schedule" | "cost" | "run">;

/** Whether a participant's budgets allow the round, whatever its consent. */
export function mayTakePart(question: BudgetQuestion, subject: string, limits: ConsentRecord["limits"]): boolean {
  return isWithinLimits(question, subject, limits) && isSeparate(question, subject);
}

function isWithinLimits(
  { budgets, schedule, cost }: BudgetQuestion,
  subject: string,
  { rounds, epsilon, delta }: ConsentRecord["limits"],
): boolean {
  const { participantCap, cap } = schedule;
  if (budgets.rounds(subject) >= Math.min(participantCap.rounds, rounds ?? Infinity)) return false;
  if (roundUpEpsilon(budgets.epsilonWith(subject, cost, cap.delta)) > participantCap.epsilon) return false;
  if (epsilon === null) return true;
  const ownDelta = delta === null ? cap.delta : Math.min(cap.delta, Number(delta));
  return roundUpEpsilon(budgets.epsilonWith(subject, cost, ownDelta)) <= parseEpsilon(epsilon);
}

/** Whether a run's event allows the participant this step. */
function isSeparate({ budgets, cost: { event }, run }: BudgetQuestion, subject: string): boolean {
  if (run?.name === undefined || !("minSeparation" in event)) return true;
  const part = budgets.partIn(run.name, subject);
  if (part === undefined) return true;
  return part.times < event.maxParticipations && run.step - part.lastStep >= event.minSeparation;
}
