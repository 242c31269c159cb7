import { readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { PopulationReport } from "../audit/budget-audit.js";
import type { Finding } from "../audit/finding.js";
import type { RecomputedEpsilon } from "../audit/participant-budgets.js";
import { type VerificationProgress, type VerificationReport, verifyBundle } from "../audit/verify.js";
import { latencyText } from "../audit/withdrawal-latency.js";
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { decodeBase64Url } from "../crypto/encoding.js";
import { nodeVerifier } from "../crypto/node-crypto.node.js";
import { keptKeys } from "../crypto/verify-batch.node.js";
import { verifierPool } from "../crypto/verify-pool.node.js";
import { type BoxRecipient, recipientFromBytes } from "../vault/sealed-box.js";
import {
  exitFindings,
  exitHolds,
  jsonText,
  onlyOperand,
  openBundle,
  readTrust,
  type Terminal,
} from "./command.node.js";

const patienceMs = 500;
const shownFindings = 50;

/** Shows progress once a verification takes longer than half a second and someone watches. */
export function progressOn(terminal: Terminal, now: () => number = Date.now): (progress: VerificationProgress) => void {
  const start = now();
  let shown = start;
  return ({ entries, totalEntries }) => {
    if (!terminal.isWatched || now() - shown < patienceMs) return;
    shown = now();
    const percent = totalEntries === 0 ? 0 : Math.floor((100 * entries) / totalEntries);
    const seconds = Math.round((shown - start) / 1_000);
    terminal.error(`\r${entries} of ${totalEntries} entries verified (${percent} %, ${seconds} s) `);
  };
}

/** From this size on (about 3 000 entries) worker threads start faster than one core finishes. */
const threadedBytes = 4 << 20;

/** A verifier that suits a file: threads for a large one. */
async function verifierFor(path: string): Promise<{ readonly verifier: SignatureVerifier; close(): Promise<void> }> {
  const large = path === "-" || (await stat(path)).size >= threadedBytes;
  if (large && availableParallelism() > 1) {
    const pool = verifierPool();
    return { verifier: pool, close: () => pool.close() };
  }
  return { verifier: nodeVerifier({ keys: keptKeys }), close: async () => undefined };
}

/** The flags that every command which verifies has. */
export const verificationOptions = {
  trust: { type: "string" },
  "auditor-key": { type: "string" },
} as const;

/** Their values. */
export interface VerificationFlags {
  readonly trust?: string | undefined;
  readonly "auditor-key"?: string | undefined;
}

async function readAuditor(path: string | undefined): Promise<BoxRecipient | undefined> {
  return path === undefined ? undefined : recipientFromBytes(decodeBase64Url((await readFile(path, "utf8")).trim()));
}

/** Verifies a file with the flags that all commands share. */
export async function verifyFile(
  path: string,
  flags: VerificationFlags,
  terminal: Terminal,
): Promise<VerificationReport> {
  const trust = await readTrust(flags.trust);
  const auditor = await readAuditor(flags["auditor-key"]);
  const { verifier, close } = await verifierFor(path);
  try {
    const settings = { verifier, trust, onProgress: progressOn(terminal) };
    return await verifyBundle(openBundle(path), auditor === undefined ? settings : { ...settings, auditor });
  } finally {
    await close();
    if (terminal.isWatched) terminal.error("\r\u001b[K");
  }
}

/** `fedloop-audit verify BUNDLE [--trust FILE] [--json]` */
export async function verifyCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...verificationOptions, json: { type: "boolean", default: false } },
  });
  const path = onlyOperand(positionals, "BUNDLE");
  const report = await verifyFile(path, values, terminal);
  terminal.out(values.json ? `${jsonText({ bundle: path, ...report })}\n` : reportText(path, report));
  return report.ok ? exitHolds : exitFindings;
}

function epsilonText(epsilon: number): string {
  return epsilon === Number.POSITIVE_INFINITY ? "unbounded" : epsilon.toFixed(6);
}

function bothText({ rdp, pld }: RecomputedEpsilon): string {
  return `ε ${epsilonText(rdp)} by RDP${pld === null ? "" : `, ${epsilonText(pld)} by PLD`}`;
}

function populationText({ population, unit, delta, cap, rounds, participants, recomputed }: PopulationReport): string {
  return [
    `budget       ${population}: ${bothText(recomputed.population)} at δ ${delta} for each ${unit}, of at most ${epsilonText(cap)}`,
    `             ${rounds} rounds debited, ${participants} participants; the one who spent most: ${bothText(recomputed.participant)}`,
  ].join("\n");
}

/** A finding on one line. */
export function findingText({ code, where, index, message }: Finding): string {
  return `${code}  ${where}${index === null ? "" : ` ${index}`}: ${message}`;
}

/** The report for people. */
export function reportText(path: string, report: VerificationReport): string {
  const { consents, rounds, findings } = report;
  const lines = [
    `bundle       ${path}`,
    `log          ${report.log}: ${report.size} entries, root ${report.root}`,
    `signatures   ${report.signatures} checked; cosigned by ${report.witnesses.join(", ") || "no witness"}`,
    `consents     ${consents.subjects} participants, ${consents.entries} decisions, ${consents.withdrawals} withdrawals`,
    `             ${latencyText(report.withdrawalLatency)}`,
    `rounds       ${rounds.planned} planned: ${rounds.completed} completed, ${rounds.abandoned} abandoned, ${rounds.open} open`,
    ...report.populations.map(populationText),
    "",
  ];
  if (report.ok) {
    lines.push(
      "VERIFIED     Everything holds. A log proves declared parameters; noise is proven only where devices add it.",
    );
  } else {
    lines.push(`FAILED       ${findings.length} findings; \`fedloop-audit explain CODE\` says what a code means:`);
    for (const finding of findings.slice(0, shownFindings)) lines.push(`  ${findingText(finding)}`);
    if (findings.length > shownFindings) lines.push(`  … ${findings.length - shownFindings} more; --json lists all.`);
  }
  return `${lines.join("\n")}\n`;
}
