/**
 * How many devices a round selects: the target times the over-selection, rounded up. The over-selection is the decimal that the
 * plan and its entry in the log have: as a binary fraction 1.1 is a little more, and a target of 100 would select 111.
 *
 * @param overSelection from 1 to 3
 */
export function selectionGoal({
  target,
  overSelection,
}: {
  readonly target: number;
  readonly overSelection: number;
}): number {
  const [whole = "", fraction = ""] = String(overSelection).split(".");
  const scale = 10n ** BigInt(fraction.length);
  return Number((BigInt(target) * BigInt(whole + fraction) + scale - 1n) / scale);
}
