import { ROUND_STATES, type RoundStateName } from "@fedloop/proto";

/** The states of a round, in the order in which it passes them. ARCHITECTURE: "A round". */
export type RoundState = RoundStateName;

/** Why a round was given up. Closed: each is documented in docs/protocol.md. */
export const ABANDON_REASONS = [
  "BUDGET_EXCEEDED",
  "COHORT_TOO_SMALL",
  "TOO_FEW_UPDATES",
  "TOO_FEW_KEYS",
  "TOO_FEW_SHARES",
  "TOO_FEW_SIGNATURES",
  "TOO_FEW_UNMASK_ANSWERS",
  "UNMASK_FAILED",
  "COORDINATOR_RESTARTED",
  "CONSENT_WITHDRAWN",
  "OPERATOR_STOPPED",
] as const;

export type AbandonReason = (typeof ABANDON_REASONS)[number];

/** From here on the noised sum exists outside volatile memory: the budget is spent, whatever happens. */
const SPENT: ReadonlySet<RoundState> = new Set(["aggregated", "debited", "released", "closed"]);

const ENDED: ReadonlySet<RoundState> = new Set(["closed", "abandoned"]);

export function isSpent(state: RoundState): boolean {
  return SPENT.has(state);
}

export function hasEnded(state: RoundState): boolean {
  return ENDED.has(state);
}

/**
 * The state after `state` when all went well. Rounds without secure aggregation pass from the configured cohort
 * straight to collecting updates, and from the collected sum straight to the aggregate.
 *
 * @throws RangeError for a round that has ended (a programming error)
 */
export function nextState(state: RoundState, secureAggregation: boolean): RoundState {
  if (hasEnded(state)) throw new RangeError(`expected a round under way, came one that is ${state}`);
  if (!secureAggregation && state === "configured") return "masked";
  if (!secureAggregation && state === "masked") return "aggregated";
  const next = ROUND_STATES[ROUND_STATES.indexOf(state) + 1];
  if (next === undefined) throw new RangeError(`no state follows ${state}`);
  return next;
}
