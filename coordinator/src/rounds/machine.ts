import { type AbandonReason, hasEnded, isSpent, nextState, type RoundState } from "./states.js";

/** What the plan fixes about the course of a round. Times in milliseconds, counts in devices. */
export interface RoundRules {
  readonly secureAggregation: boolean;
  /** Devices to select, over-selection included; selection ends when this many have joined. */
  readonly selectionGoal: number;
  /** Fewer at any stage than this, and the round is abandoned. */
  readonly minimum: number;
  readonly selectionMs: number;
  /**
   * Devices that suffice when they come from training, whoever has not come yet: with updates, or with secure aggregation with
   * keys, so that who is late is in no group's masks. Left out where all are waited for.
   */
  readonly bufferSize?: number | undefined;
  /** For each state in which devices answer. */
  readonly reportMs: number;
}

/** A round as the machine sees it. Who the devices are is kept outside; the machine counts. */
export interface RoundProgress {
  readonly state: RoundState;
  readonly rules: RoundRules;
  /** Devices that the present state waits for, and how many of them have answered. */
  readonly expected: number;
  readonly answered: number;
  /** When the present state ends, milliseconds since the epoch; null when no device is waited for. */
  readonly deadlineMs: number | null;
}

export type RoundMessage =
  /** The coordinator's own work of this state is done and durable. */
  | { readonly type: "done"; readonly nowMs: number }
  /** A device has answered, for the first time in this state. */
  | { readonly type: "answered"; readonly nowMs: number }
  /** A device that the state waited for has left. */
  | { readonly type: "left"; readonly nowMs: number }
  /** It is known anew how many devices the state waits for: groups have been formed, or left out. */
  | { readonly type: "expected"; readonly expected: number; readonly nowMs: number }
  /** The answers so far suffice to unmask; the rest need not be waited for. */
  | { readonly type: "sufficient"; readonly nowMs: number }
  /** What the state before was to yield could not be had. Only while nothing of the present state is durable. */
  | { readonly type: "failed"; readonly reason: AbandonReason }
  /** Time has passed. */
  | { readonly type: "tick"; readonly nowMs: number }
  /** The process was started again and found the round in the store. */
  | { readonly type: "restarted"; readonly nowMs: number }
  | { readonly type: "abandon"; readonly reason: AbandonReason };

export type RoundEffect =
  /** Write the new state with its ledger entries in one transaction, then do the work of that state. */
  { readonly type: "enter"; readonly state: RoundState } | { readonly type: "abandon"; readonly reason: AbandonReason };

export interface RoundStep {
  readonly progress: RoundProgress;
  readonly effects: readonly RoundEffect[];
}

const TOO_FEW: Partial<Record<RoundState, AbandonReason>> = {
  selecting: "COHORT_TOO_SMALL",
  keys: "TOO_FEW_KEYS",
  shares: "TOO_FEW_SHARES",
  masked: "TOO_FEW_UPDATES",
  consistency: "TOO_FEW_SIGNATURES",
  unmask: "TOO_FEW_UNMASK_ANSWERS",
};

/** States that wait for devices; in all others the coordinator works alone. */
export function waitsForDevices(state: RoundState): boolean {
  return TOO_FEW[state] !== undefined;
}

export function plannedRound(rules: RoundRules): RoundProgress {
  return { state: "planned", rules, expected: 0, answered: 0, deadlineMs: null };
}

/**
 * The round machine: pure, so that every course of a round can be tested without a server, a clock or a store.
 *
 * A state that waits for devices ends when all that it expects have answered, or at its deadline: with at least the
 * minimum the round goes on with those, with fewer it is abandoned. A departed device never holds a round.
 */
export function stepRound(progress: RoundProgress, message: RoundMessage): RoundStep {
  if (hasEnded(progress.state)) return { progress, effects: [] };
  switch (message.type) {
    case "done":
      return waitsForDevices(progress.state) ? stay(progress) : enter(progress, message.nowMs);
    case "answered":
      return waitsForDevices(progress.state)
        ? settle({ ...progress, answered: progress.answered + 1 }, message.nowMs)
        : stay(progress);
    case "left":
      return settle({ ...progress, expected: Math.max(progress.expected - 1, 0) }, message.nowMs);
    case "expected":
      return waitsForDevices(progress.state)
        ? settle({ ...progress, expected: message.expected }, message.nowMs)
        : stay(progress);
    case "sufficient":
      return progress.state === "unmask" ? enter(progress, message.nowMs) : stay(progress);
    case "failed":
      return giveUp(progress, message.reason);
    case "tick":
      return settle(progress, message.nowMs);
    case "restarted":
      return restarted(progress, message.nowMs);
    case "abandon":
      return abandon(progress, message.reason);
  }
}

function stay(progress: RoundProgress): RoundStep {
  return { progress, effects: [] };
}

function settle(progress: RoundProgress, nowMs: number): RoundStep {
  const reason = TOO_FEW[progress.state];
  if (reason === undefined) return stay(progress);
  const minimum = minimumOf(progress);
  if (progress.answered >= progress.expected && progress.answered >= minimum) return enter(progress, nowMs);
  if (isFull(progress)) return enter(progress, nowMs);
  if (progress.state !== "selecting" && progress.expected < minimum) return abandon(progress, reason);
  if (progress.deadlineMs === null || nowMs < progress.deadlineMs) return stay(progress);
  return progress.answered >= minimum ? enter(progress, nowMs) : abandon(progress, reason);
}

/** Whether a buffer has what it takes: only the first state after training is waited for by its size. */
function isFull({ state, rules, answered }: RoundProgress): boolean {
  if (rules.bufferSize === undefined || state !== (rules.secureAggregation ? "keys" : "masked")) return false;
  return answered >= Math.max(rules.bufferSize, rules.minimum);
}

/**
 * Once the sum is fixed its members are, whoever answers from then on: how many signatures and shares it takes is each
 * group's threshold, which is known outside.
 */
function minimumOf({ state, rules }: RoundProgress): number {
  return state === "consistency" || state === "unmask" ? 1 : rules.minimum;
}

function enter(progress: RoundProgress, nowMs: number): RoundStep {
  const { rules } = progress;
  const state = nextState(progress.state, rules.secureAggregation);
  const expected = state === "selecting" ? rules.selectionGoal : cohortAfter(progress);
  const duration = state === "selecting" ? rules.selectionMs : rules.reportMs;
  const deadlineMs = waitsForDevices(state) ? nowMs + duration : null;
  return {
    progress: { state, rules, expected, answered: 0, deadlineMs },
    effects: [{ type: "enter", state }],
  };
}

/** Who answered in a state that waited is who the next one expects; the coordinator's own states pass the number on. */
function cohortAfter(progress: RoundProgress): number {
  return waitsForDevices(progress.state) ? progress.answered : progress.expected;
}

/**
 * Joins and the collected sum live in memory only, by design: an update is never written to disk. So a round that
 * was still selecting selects anew, one whose cohort had begun is abandoned, and one whose noised aggregate is durable
 * goes on from there.
 */
function restarted(progress: RoundProgress, nowMs: number): RoundStep {
  const { state, rules } = progress;
  if (isSpent(state) || state === "planned" || state === "reserved") return stay(progress);
  if (state === "selecting") {
    return stay({ ...progress, expected: rules.selectionGoal, answered: 0, deadlineMs: nowMs + rules.selectionMs });
  }
  return abandon(progress, "COORDINATOR_RESTARTED");
}

function abandon(progress: RoundProgress, reason: AbandonReason): RoundStep {
  return isSpent(progress.state) ? stay(progress) : giveUp(progress, reason);
}

function giveUp(progress: RoundProgress, reason: AbandonReason): RoundStep {
  return {
    progress: { ...progress, state: "abandoned", deadlineMs: null },
    effects: [{ type: "abandon", reason }],
  };
}
