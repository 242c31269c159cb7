import type { CurvePoint, Estimate } from "@fedloop/privacy/analytics";

function shown(estimate: Estimate | null): string {
  if (estimate === null) return "withheld";
  const [low, high] = estimate.interval;
  return `${estimate.value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
}

/** A line for each threshold of a score, with 95 % intervals; of few words, so that a terminal shows them side by side. */
export function curveText(curve: readonly CurvePoint[]): string {
  const rows = curve.map(({ threshold, precision, recall, calibration }) => [
    threshold.toFixed(3),
    shown(precision),
    shown(recall),
    shown(calibration),
  ]);
  const head = ["score from", "precision", "recall", "true in the bin"];
  return [head, ...rows]
    .map(
      (cells) =>
        `  ${cells
          .map((cell) => cell.padEnd(24))
          .join("")
          .trimEnd()}\n`,
    )
    .join("");
}
