import type { RoundReport } from "./federation.js";
import type { Masks } from "./masks.js";
import type { VirtualSimulation } from "./simulate-plan.js";

const MOST_ROWS = 20;

const MASKED: Readonly<Record<Masks, string>> = {
  full: "full: keys, shares, masks and signatures of every group, as in a coordinator and its devices",
  none: "left out: they cancel in every sum, and what is added up here are the integers they would hide",
};

/** How the sums of the rounds come about, before the first one. */
export function masksLine(masks: Masks | null): string {
  return masks === null ? "No secure aggregation, by the plan" : `Masks ${MASKED[masks]}`;
}

/** One round in a line. */
export function roundLine(report: RoundReport): string {
  const { round, kind, abandoned, submitted, selected, accuracy, metrics, epsilon } = report;
  if (abandoned !== null) return `Round ${round} was abandoned: ${abandoned}`;
  const found =
    kind === "evaluate"
      ? Object.entries(metrics ?? {})
          .map(([name, value]) => `${name} ${short(value)}`)
          .join(", ")
      : `accuracy ${percent(accuracy)}`;
  return `Round ${round}: ${submitted} of ${selected} devices, ${found}${epsilon === null ? "" : `, ε ${short(epsilon)}`}`;
}

/** The final table and plot, for people. */
export function simulationReport(
  result: VirtualSimulation,
  files: { readonly model: string; readonly page: string },
): string {
  const { devices, poisonedDevices, epsilon, delta, unit, rounds } = result;
  const poisoned = poisonedDevices === 0 ? "" : `, ${poisonedDevices} of them poisoned`;
  const privacy =
    epsilon === null || delta === null ? "none, by the plan" : `ε = ${epsilon} at δ = ${delta} for each ${unit}`;
  return `
${table(rounds)}

${plot(rounds)}
  strategy     ${result.strategy}, ${devices} devices${poisoned}
  accuracy     ${percent(result.accuracy)} on the test examples, loss ${result.loss === null ? "–" : short(result.loss)}
  privacy      ${privacy}
  speed        ${result.devicesPerSecond.toFixed(1)} devices a second on ${result.threads} threads, ${result.seconds.toFixed(1)} s of rounds
  randomness   seeded with ${result.seed}: the same each time, and no protection, since its noise can be computed again
  masks        ${result.masks === null ? "none, by the plan" : MASKED[result.masks]}
  model        ${files.model}
               SHA-256 ${result.modelSha256}
  page         ${files.page}
`;
}

const HEADINGS = ["round", "selected", "in sum", "poisoned", "late", "gone", "accuracy", "loss", "ε"] as const;

function table(rounds: readonly RoundReport[]): string {
  const trained = rounds.filter(({ kind }) => kind === "train");
  const every = Math.ceil(trained.length / MOST_ROWS);
  const shown = trained.filter((_, i) => i % every === 0 || i === trained.length - 1);
  const rows = shown.map((report) => [
    String(report.round),
    String(report.selected),
    report.abandoned ?? String(report.submitted),
    String(report.poisoned),
    String(report.late),
    String(report.vanished),
    percent(report.accuracy),
    report.loss === null ? "–" : short(report.loss),
    report.epsilon === null ? "–" : short(report.epsilon),
  ]);
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)));
  return [HEADINGS, ...rows]
    .map((row) => `  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join("  ")}`)
    .join("\n");
}

const PLOT_HEIGHT = 8;
const PLOT_WIDTH = 60;

/** Accuracy over rounds. */
function plot(rounds: readonly RoundReport[]): string {
  const points = rounds.flatMap(({ accuracy }) => (accuracy === null ? [] : [accuracy]));
  if (points.length < 2) return "";
  const columns = Math.min(points.length, PLOT_WIDTH);
  const heights = Array.from({ length: columns }, (_, column) => {
    const point = points[Math.round((column * (points.length - 1)) / (columns - 1))] ?? 0;
    return Math.round(point * PLOT_HEIGHT);
  });
  const lines = Array.from({ length: PLOT_HEIGHT }, (_, line) => {
    const level = PLOT_HEIGHT - line;
    const label = line === 0 ? "100 %" : line === PLOT_HEIGHT / 2 ? " 50 %" : "     ";
    return `  ${label} │${heights.map((height) => (height >= level ? "█" : " ")).join("")}`;
  });
  return `${lines.join("\n")}\n    0 % └${"─".repeat(columns)} accuracy by training round, 1 to ${points.length}\n`;
}

function percent(share: number | null): string {
  return share === null ? "–" : `${(100 * share).toFixed(2)} %`;
}

function short(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 3 : 1);
}
