import { SecAggError } from "./errors.js";

/**
 * Refuses a list of members that is not strictly ascending, or names one that is not in the cohort. An ascending list
 * has one order and no duplicates, so equal sets are equal bytes.
 *
 * @throws SecAggError UNKNOWN_MEMBER, DUPLICATE_MEMBER, MALFORMED
 */
export function requireMembers(members: readonly number[], cohortSize: number): void {
  let previous = -1;
  for (const member of members) {
    if (!Number.isInteger(member) || member < 0 || member >= cohortSize) {
      throw new SecAggError("UNKNOWN_MEMBER", `Members are 0 to ${cohortSize - 1}; ${member} came.`);
    }
    if (member === previous) throw new SecAggError("DUPLICATE_MEMBER", `Member ${member} is listed twice.`);
    if (member < previous) {
      throw new SecAggError("MALFORMED", `Members come in ascending order; ${member} came after ${previous}.`);
    }
    previous = member;
  }
}

/** Whether two lists of members are equal. */
export function sameMembers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((member, i) => member === b[i]);
}

/** Whether two byte strings that are no secrets are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
