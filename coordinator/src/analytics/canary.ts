/** What becomes of a canary. */
export type CanaryVerdict = "promote" | "roll-back" | "wait";

/** By how much higher a canary's outcome is than the live model's; undefined while there is nothing to compare. */
export type CanaryDifference = readonly [low: number, high: number] | undefined;

/**
 * Judges a canary by how much higher its outcome is than the live model's; higher is better. The intervals are those of
 * confidence sequences: each holds at all its looks together, noise included, so a canary may be judged after each. A canary
 * that is worse for somebody goes live in at most the sequences' error rate, however many segments are looked at, since all of
 * them have to let it; one that is worse for nobody is rolled back in at most that rate for each of them.
 *
 * @param differences canary less live: for all devices together, then for each segment that must not be worse off
 * @param margin by how much the canary's outcome may be lower, in the outcome's unit
 */
export function judgeCanary(differences: readonly CanaryDifference[], margin: number): CanaryVerdict {
  const told = differences.filter((difference) => difference !== undefined);
  if (told.some(([, high]) => high < -margin)) return "roll-back";
  const isKnown = told.length === differences.length && told.length > 0;
  return isKnown && told.every(([low]) => low > -margin) ? "promote" : "wait";
}
