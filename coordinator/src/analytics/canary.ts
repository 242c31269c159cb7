/** What becomes of a canary. */
export type CanaryVerdict = "promote" | "roll-back" | "wait";

/**
 * Judges a canary by how much higher its outcome is than the live model's; higher is better. The interval is that of a
 * confidence sequence: it holds at all looks together, noise included, so a canary may be judged after each.
 *
 * @param difference canary less live; undefined while there is nothing to compare
 * @param margin by how much the canary's outcome may be lower, in the outcome's unit
 */
export function judgeCanary(difference: readonly [number, number] | undefined, margin: number): CanaryVerdict {
  if (difference === undefined) return "wait";
  const [low, high] = difference;
  if (low > -margin) return "promote";
  return high < -margin ? "roll-back" : "wait";
}
