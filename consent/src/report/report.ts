// The auditor's report as one HTML file that needs nothing else: open it, keep it, send it.
import type { PopulationReport } from "../audit/budget-audit.js";
import { type Finding, findingMeanings } from "../audit/finding.js";
import type { VerificationReport } from "../audit/verify.js";
import { latencyText } from "../audit/withdrawal-latency.js";
import { type ChartLine, lineChart } from "./chart.js";
import { escapeMarkup } from "./markup.js";
import { styleSheet } from "./style.js";

/** What the report says about itself. */
export interface ReportSettings {
  /** Name of the bundle that was verified. */
  readonly bundle: string;
  /** When, milliseconds since 1970. */
  readonly time: number;
}

const shownFindings = 500;

function epsilonText(epsilon: number | null): string {
  if (epsilon === null) return "–";
  return epsilon === Number.POSITIVE_INFINITY ? "unbounded" : epsilon.toFixed(4);
}

function timeText(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : `${date.toISOString().replace("T", " ").slice(0, 19)} UTC`;
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  return `<dl>${pairs.map(([name, value]) => `<dt>${escapeMarkup(name)}</dt><dd>${escapeMarkup(value)}</dd>`).join("")}</dl>`;
}

function table(caption: string, heads: readonly string[], body: readonly (readonly string[])[]): string {
  const head = heads.map((text) => `<th>${escapeMarkup(text)}</th>`).join("");
  const lines = body.map((cells) => `<tr>${cells.map((text) => `<td>${escapeMarkup(text)}</td>`).join("")}</tr>`);
  return `<details><summary>${escapeMarkup(caption)}</summary><div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${lines.join("")}</tbody></table></div></details>`;
}

function budgetSection(population: PopulationReport): string {
  const { epsilon, delta, cap, rounds, participants, recomputed, history, participantHistory } = population;
  const orderOf = new Map(history.map(({ round }, at) => [round, at + 1]));
  const first = 1;
  const last = Math.max(history.length, 2);
  const lines: ChartLine[] = [
    { name: "recomputed", style: "main", steps: true, points: history.map((step, at) => [at + 1, step.epsilon]) },
    { name: "claimed in the log", style: "claimed", points: history.map((step, at) => [at + 1, step.claimed]) },
    {
      name: "largest of one participant",
      style: "single",
      steps: true,
      points: participantHistory.flatMap((step) => {
        const order = orderOf.get(step.round);
        return order === undefined ? [] : [[order, step.epsilon] as const];
      }),
    },
  ];
  if (Number.isFinite(cap))
    lines.push({
      name: "cap",
      style: "cap",
      points: [
        [first, cap],
        [last, cap],
      ],
    });
  const chart =
    history.length === 0
      ? "<p>Nothing was debited yet.</p>"
      : lineChart({
          description: `ε of ${population.population} over ${rounds} debited rounds: ${epsilonText(epsilon)} of at most ${epsilonText(cap)}.`,
          xName: "debited round",
          yName: `ε at δ = ${delta}`,
          lines,
        });
  return [
    `<section><h2>Privacy budget: ${escapeMarkup(population.population)}</h2>`,
    rows([
      ["what ε is about", `one ${population.unit} (${population.adjacency})`],
      ["spent by all rounds, RDP", `ε ${epsilonText(recomputed.population.rdp)} of at most ${epsilonText(cap)}`],
      ["the same, PLD", `ε ${epsilonText(recomputed.population.pld)}`],
      [
        "largest of one participant",
        `ε ${epsilonText(recomputed.participant.rdp)} (RDP), ${epsilonText(recomputed.participant.pld)} (PLD)`,
      ],
      ["debited rounds", String(rounds)],
      ["participants", String(participants)],
    ]),
    chart,
    table(
      "Every debit",
      ["round", "kind", "entry", "time", "recomputed ε", "claimed ε"],
      history.map((step) => [
        String(step.round),
        step.kind,
        String(step.index),
        timeText(step.time),
        epsilonText(step.epsilon),
        epsilonText(step.claimed),
      ]),
    ),
    "</section>",
  ].join("\n");
}

function consentSection({ consents, withdrawalLatency }: VerificationReport): string {
  const { subjects, entries, standing, withdrawals, timeline } = consents;
  const chart =
    timeline.length === 0
      ? "<p>The log holds no decisions.</p>"
      : lineChart({
          description: `Consents over the log: ${standing} stand at its end, ${withdrawals} were withdrawn.`,
          xName: "entry of the log",
          yName: "decisions",
          lines: [
            {
              name: "consents standing",
              style: "main",
              steps: true,
              points: timeline.map((point) => [point.index, point.standing]),
            },
            {
              name: "withdrawals so far",
              style: "cap",
              steps: true,
              points: timeline.map((point) => [point.index, point.withdrawals]),
            },
          ],
        });
  return [
    "<section><h2>Consents</h2>",
    rows([
      ["participants who decided", String(subjects)],
      ["decisions", String(entries)],
      ["consents standing at the end", String(standing)],
      ["withdrawals", String(withdrawals)],
      ["from withdrawal to last use", latencyText(withdrawalLatency)],
    ]),
    chart,
    "</section>",
  ].join("\n");
}

function findingItem({ code, where, index, message }: Finding): string {
  const place = index === null ? where : `${where} ${index}`;
  return `<li><strong>${code}</strong> <span class="place">${place}</span><p>${escapeMarkup(message)}</p><p class="meaning">${escapeMarkup(findingMeanings[code])}</p></li>`;
}

function findingSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const more = findings.length - shownFindings;
  const rest = more > 0 ? `<p>… and ${more} more; <code>fedloop-audit verify --json</code> lists all.</p>` : "";
  return `<section><h2>Findings</h2><ol class="findings">${findings.slice(0, shownFindings).map(findingItem).join("")}</ol>${rest}</section>`;
}

/** The report of a verification as a self-contained HTML page. */
export function reportHtml(report: VerificationReport, { bundle, time }: ReportSettings): string {
  const { ok, findings, log, size, root, signatures, rounds, witnesses, populations } = report;
  const verdict = ok
    ? "Everything holds"
    : `${findings.length} ${findings.length === 1 ? "thing does" : "things do"} not hold`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit of ${escapeMarkup(log || bundle)}</title>
<style>${styleSheet}</style>
</head>
<body>
<header>
<h1>Audit of ${escapeMarkup(log || bundle)}</h1>
<p class="verdict ${ok ? "good" : "bad"}">${verdict}</p>
</header>
<main>
${findingSection(findings)}
<section><h2>The log</h2>
${rows([
  ["bundle", bundle],
  ["verified", timeText(time)],
  ["entries", String(size)],
  ["root", root],
  ["signatures checked", String(signatures)],
  ["cosigned by", witnesses.join(", ") || "no witness"],
  [
    "rounds",
    `${rounds.planned} planned: ${rounds.completed} completed, ${rounds.abandoned} abandoned, ${rounds.open} open`,
  ],
])}
</section>
${populations.map(budgetSection).join("\n")}
${consentSection(report)}
</main>
<footer><p>A log proves what was declared, by whom and in which order. It does not prove that noise was added as declared; only noise that devices add is seen to by those devices.</p></footer>
</body>
</html>
`;
}
