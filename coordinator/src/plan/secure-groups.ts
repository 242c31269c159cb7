import type { PlanSecureAggregation, PopulationPlan } from "./population-plan.js";
import { selectionGoal } from "./selection-goal.js";

/**
 * Members that a group aims for where the plan names no number. In the complete graph a device spends about 0.4 ms on
 * each other member, and 0.75 ms for each million coordinates: with 100 members it stays near a tenth of a second.
 */
export const DEFAULT_GROUP_TARGET = 100;
/** Part of a group that may collude with the coordinator without learning more than the sum. */
export const DEFAULT_CORRUPT_FRACTION = 0.1;
/** Part of a group that may drop out without costing the group its sum. */
export const DEFAULT_DROPOUT_FRACTION = 0.1;

/** Below it a sum hides nobody: the protocol's own floor. */
export const SMALLEST_COHORT = 3;

/** Up to this size everybody masks with everybody; beyond it a sparse graph costs devices less. */
const LARGEST_COMPLETE_GRAPH = 160;

/** How large groups are and can become. */
export interface GroupSizes {
  readonly graph: "complete" | "harary";
  readonly groupTarget: number;
  readonly minimumMembers: number;
  readonly maximumMembers: number;
  readonly minimumSurvivors: number;
}

/**
 * The groups of a plan's cohorts. `splitIntoGroups` makes as many groups as come nearest to the target, so that none
 * is larger than one and a half times it. One group for all keeps the cohort's own minimum at every step; several have
 * minimums of their own, by the part that may drop out.
 */
export function groupSizes(
  cohort: PopulationPlan["cohort"],
  secure: Extract<PlanSecureAggregation, { readonly enabled: true }>,
): GroupSizes {
  const { minimum } = cohort;
  const largest = selectionGoal(cohort);
  const groupTarget = Math.max(Math.min(secure.groupTarget, largest), SMALLEST_COHORT);
  const maximumMembers = Math.max(Math.min(Math.ceil(1.5 * groupTarget), largest), groupTarget);
  const graph = secure.graph ?? (maximumMembers <= LARGEST_COMPLETE_GRAPH ? "complete" : "harary");
  // Of two thirds of the target at least: below that one group fewer comes nearer to it.
  const smallest = Math.min(minimum, Math.ceil((2 / 3) * groupTarget));
  const isOne = largest < 1.5 * groupTarget;
  const kept = (members: number): number => Math.ceil((1 - secure.dropoutFraction) * members * (1 - 2 ** -40));
  const minimumMembers = isOne ? Math.min(minimum, groupTarget) : Math.max(kept(smallest), SMALLEST_COHORT);
  const minimumSurvivors = isOne ? minimumMembers : Math.max(kept(minimumMembers), 2);
  return { graph, groupTarget, minimumMembers, maximumMembers, minimumSurvivors };
}
