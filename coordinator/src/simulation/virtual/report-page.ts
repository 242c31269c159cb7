import type { RoundReport } from "./federation.js";
import type { VirtualSimulation } from "./simulate-plan.js";

const WIDTH = 760;
const HEIGHT = 320;
const MARGIN = 46;

/** A page of its own, without any request: accuracy over rounds as SVG, and the rounds as a table. */
export function simulationPage(result: VirtualSimulation): string {
  const { population, strategy, devices, seed, rounds } = result;
  const rows = rounds.map(
    (report) =>
      `<tr><td>${report.round}</td><td>${report.kind}</td><td>${report.abandoned ?? report.submitted}</td><td>${report.poisoned}</td><td>${report.late}</td><td>${report.vanished}</td><td>${value(report.accuracy)}</td><td>${value(report.loss)}</td><td>${value(report.epsilon)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simulation of ${population}</title>
<style>
  :root { color-scheme: light dark; font-family: system-ui, sans-serif; }
  body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
  svg { width: 100%; height: auto; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  td, th { text-align: right; padding: 0.15rem 0.5rem; }
</style>
<h1>Simulation of ${population}</h1>
<p>${strategy}, ${devices} devices, seed ${seed}: accuracy ${value(result.accuracy)} on the test examples after ${rounds.length} rounds.
Model SHA-256 ${result.modelSha256}.</p>
${chart(rounds)}
<table>
<thead><tr><th>round</th><th>kind</th><th>in sum</th><th>poisoned</th><th>late</th><th>gone</th><th>accuracy</th><th>loss</th><th>ε</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
</html>
`;
}

function chart(rounds: readonly RoundReport[]): string {
  const points = rounds.flatMap(({ round, accuracy }) => (accuracy === null ? [] : [{ round, accuracy }]));
  const last = Math.max(points.at(-1)?.round ?? 1, 2);
  const x = (round: number): string => (MARGIN + ((round - 1) / (last - 1)) * (WIDTH - 2 * MARGIN)).toFixed(1);
  const y = (accuracy: number): string => (HEIGHT - MARGIN - accuracy * (HEIGHT - 2 * MARGIN)).toFixed(1);
  const line = points.map(({ round, accuracy }) => `${x(round)},${y(accuracy)}`).join(" ");
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (level) =>
      `<line x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${y(level)}" y2="${y(level)}" stroke="currentColor" stroke-opacity="0.15"/>` +
      `<text x="${MARGIN - 8}" y="${y(level)}" text-anchor="end" dominant-baseline="middle" font-size="12" fill="currentColor">${100 * level} %</text>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="accuracy by round">
${grid.join("\n")}
<polyline points="${line}" fill="none" stroke="#2a78d6" stroke-width="2"/>
<text x="${WIDTH / 2}" y="${HEIGHT - 10}" text-anchor="middle" font-size="12" fill="currentColor">round</text>
</svg>`;
}

function value(number: number | null): string {
  return number === null ? "–" : number.toFixed(4);
}
