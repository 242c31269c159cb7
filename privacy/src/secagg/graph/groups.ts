import type { RandomSource } from "../../random/source.js";
import { SecAggError } from "../errors.js";
import { randomPermutation } from "./permutation.js";

/** How large the groups of a cohort should be, in devices. */
export interface GroupSizes {
  readonly target: number;
  /** No group is smaller: a sum over few hides little. */
  readonly minimum: number;
}

/**
 * Splits a cohort at random into groups of nearly equal size, near the target and never below the minimum. Each group
 * runs the protocol by itself; the group sums are added.
 *
 * @param count devices in the cohort
 * @returns for each group the positions of its devices in the cohort
 * @throws SecAggError BAD_PARAMETERS when the cohort is smaller than one group may be
 */
export function splitIntoGroups(count: number, { target, minimum }: GroupSizes, random: RandomSource): Uint32Array[] {
  if (!(Number.isSafeInteger(minimum) && minimum >= 2 && Number.isSafeInteger(target) && target >= minimum)) {
    throw new SecAggError(
      "BAD_PARAMETERS",
      `A group has a minimum from 2 and a target from it: ${minimum}, ${target}.`,
    );
  }
  if (count < minimum) {
    throw new SecAggError("BAD_PARAMETERS", `A cohort of ${count} is below the smallest group of ${minimum}.`);
  }
  const groups = Math.max(1, Math.min(Math.round(count / target), Math.floor(count / minimum)));
  const order = randomPermutation(count, random);
  return Array.from({ length: groups }, (_, group) =>
    order.slice(Math.floor((count * group) / groups), Math.floor((count * (group + 1)) / groups)),
  );
}
