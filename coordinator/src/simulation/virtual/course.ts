import type { RandomSource } from "@fedloop/privacy";
import { splitIntoGroups } from "@fedloop/privacy/secagg";
import { plannedRound, type RoundMessage, type RoundRules, stepRound, waitsForDevices } from "../../rounds/machine.js";
import { SECURE_STEPS, type SecureStep } from "../../rounds/secure-group.js";
import { type AbandonReason, hasEnded } from "../../rounds/states.js";
import type { AnsweredSteps } from "./masked-group.js";

/** What becomes of one device in one round, were nobody else there. */
export interface Journey {
  readonly device: number;
  /** From the offer to its update, milliseconds. */
  readonly trainingMs: number;
  /** The step at which it vanishes without a word; null where it stays. Without secure aggregation, "masked" or null. */
  readonly vanishesAt: SecureStep | null;
}

/** How groups of secure aggregation are made, and what they need. */
export interface GroupRules {
  readonly groupTarget: number;
  readonly minimumMembers: number;
  readonly minimumSurvivors: number;
  /** Answers that a group of so many members needs in each step after the keys: the threshold of its graph. */
  readonly threshold: (members: number) => number;
}

/** How a round went. */
export interface Course {
  /** Null where it came to a sum. */
  readonly abandoned: AbandonReason | null;
  /** Those whose updates are in the sum, group by group and in the order in which they came; one group without secure aggregation. */
  readonly groups: readonly (readonly number[])[];
  /** With secure aggregation, beside each of `groups` who answered which step. */
  readonly answered: readonly AnsweredSteps[];
  readonly selected: readonly number[];
  /** Those who came from training when the round took no more. */
  readonly late: readonly number[];
  readonly vanished: readonly number[];
  readonly endMs: number;
}

const MISSING: Readonly<Record<SecureStep, AbandonReason>> = {
  keys: "TOO_FEW_KEYS",
  shares: "TOO_FEW_SHARES",
  masked: "TOO_FEW_UPDATES",
  consistency: "TOO_FEW_SIGNATURES",
  unmask: "TOO_FEW_UNMASK_ANSWERS",
};

interface Group {
  members: Journey[];
  /** Those whose vectors are in the group's sum, from the step masked on. */
  readonly survivors: Journey[];
  /** Who answered each step. */
  readonly answered: AnsweredSteps;
  /** Of its graph, which is made when the keys are there. */
  readonly threshold: number;
}

const NOBODY: AnsweredSteps = { keys: [], shares: [], masked: [], consistency: [], unmask: [] };

/**
 * Drives one round's machine through all of its states, in virtual time: who joins, answers, vanishes and is late is given, and
 * the machine decides, as it does in a coordinator, when a state ends and whether the round goes on.
 *
 * @param arriving in the order in which they check in
 * @param secure null without secure aggregation
 */
export function courseOf(
  rules: RoundRules,
  arriving: readonly Journey[],
  secure: GroupRules | null,
  startMs: number,
  random: RandomSource,
): Course {
  let progress = plannedRound(rules);
  let nowMs = startMs;
  let offeredMs = startMs;
  let abandoned: AbandonReason | null = null;
  const selected: Journey[] = [];
  const late: Journey[] = [];
  let groups: Group[] = [];
  const send = (message: RoundMessage): void => {
    const step = stepRound(progress, message);
    progress = step.progress;
    for (const effect of step.effects) if (effect.type === "abandon") abandoned = effect.reason;
  };
  /** Lets devices answer the present state, in the order of time; then its deadline passes. @returns who was in time */
  const collect = (journeys: readonly Journey[], atMs: (journey: Journey) => number): Journey[] => {
    const { state, deadlineMs } = progress;
    const limit = deadlineMs ?? nowMs;
    const answered: Journey[] = [];
    const inOrder = [...journeys].sort((a, b) => atMs(a) - atMs(b) || a.device - b.device);
    for (const journey of inOrder) {
      if (progress.state !== state || atMs(journey) > limit) break;
      nowMs = Math.max(nowMs, atMs(journey));
      answered.push(journey);
      send({ type: "answered", nowMs });
    }
    if (progress.state === state) {
      nowMs = Math.max(nowMs, limit);
      send({ type: "tick", nowMs });
    }
    return answered;
  };

  while (!hasEnded(progress.state)) {
    const { state } = progress;
    if (!waitsForDevices(state)) {
      send({ type: "done", nowMs });
      continue;
    }
    if (state === "selecting") {
      if (arriving.length < progress.expected) progress = { ...progress, expected: arriving.length };
      selected.push(...collect(arriving, () => nowMs));
      offeredMs = nowMs;
      groups = begun(selected, secure, random);
      continue;
    }
    const step = SECURE_STEPS.find((name) => name === state);
    if (step === undefined) continue;
    const expected = groups.flatMap(({ members }) => members);
    const staying = expected.filter(({ vanishesAt }) => vanishesAt !== step);
    // Devices train first, and then come with keys or with their update.
    const isAfterTraining = step === (secure === null ? "masked" : "keys");
    const answered = collect(staying, ({ trainingMs }) => (isAfterTraining ? offeredMs + trainingMs : nowMs));
    const inTime = new Set(answered);
    if (isAfterTraining) late.push(...staying.filter((journey) => !inTime.has(journey)));
    groups = groups.flatMap((group) => goesOn(group, step, inTime, secure));
    if (secure === null || hasEnded(progress.state)) continue;
    const members = groups.reduce((sum, group) => sum + countOf(group, step), 0);
    if (members < rules.minimum) send({ type: "failed", reason: MISSING[step] });
    else send({ type: "expected", expected: groups.reduce((sum, group) => sum + group.members.length, 0), nowMs });
  }
  return {
    abandoned,
    groups: abandoned === null ? groups.map(({ survivors }) => survivors.map(({ device }) => device)) : [],
    answered: abandoned === null && secure !== null ? groups.map(({ answered }) => answered) : [],
    selected: selected.map(({ device }) => device),
    late: late.map(({ device }) => device),
    vanished: selected.filter(({ vanishesAt }) => vanishesAt !== null).map(({ device }) => device),
    endMs: nowMs,
  };
}

function begun(selected: readonly Journey[], secure: GroupRules | null, random: RandomSource): Group[] {
  if (secure === null || selected.length < secure.minimumMembers) {
    return [{ members: [...selected], survivors: [], answered: NOBODY, threshold: 0 }];
  }
  const sizes = { target: secure.groupTarget, minimum: secure.minimumMembers };
  return splitIntoGroups(selected.length, sizes, random).map((positions) => ({
    members: [...positions].flatMap((position) => selected[position] ?? []),
    survivors: [],
    answered: NOBODY,
    threshold: 0,
  }));
}

/** A group after a step; none where it is left out. */
function goesOn(group: Group, step: SecureStep, inTime: ReadonlySet<Journey>, secure: GroupRules | null): Group[] {
  const members = group.members.filter((member) => inTime.has(member));
  const answered = { ...group.answered, [step]: members.map(({ device }) => device) };
  const survivors = step === "masked" ? members.slice().sort((a, b) => a.trainingMs - b.trainingMs) : group.survivors;
  if (secure === null) return [{ ...group, members, survivors, answered }];
  if (members.length < leastOf(step, group.threshold, secure)) return [];
  const threshold = step === "keys" ? secure.threshold(members.length) : group.threshold;
  return [{ members, survivors, answered, threshold }];
}

/** What a group's own steps ask for, when they end. A sparse graph asks for as many among each one's neighbours too. */
function leastOf(step: SecureStep, threshold: number, secure: GroupRules): number {
  if (step === "keys") return secure.minimumMembers;
  return step === "shares" || step === "masked" ? Math.max(threshold, secure.minimumSurvivors) : threshold;
}

function countOf({ members, survivors }: Group, step: SecureStep): number {
  return step === "consistency" || step === "unmask" ? survivors.length : members.length;
}
