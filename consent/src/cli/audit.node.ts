import { LedgerError } from "../errors.js";
import { exitHolds, exitUnusable, type Terminal, UnusableError } from "./command.node.js";
import { compareCommand } from "./compare.node.js";
import { explainCommand } from "./explain.node.js";
import { exportEventsCommand } from "./export-events.node.js";
import { keygenCommand } from "./keygen.node.js";
import { reportCommand } from "./report.node.js";
import { verifyCommand } from "./verify.node.js";

/** What `fedloop-audit --help` prints. */
export const helpText = `Checks an exported consent ledger offline, trusting nobody.

Usage:
  fedloop-audit verify BUNDLE [--trust FILE] [--auditor-key FILE] [--json]
      Verify signatures, tree, chains, consents, rounds and the privacy budget. BUNDLE "-" reads the standard input.
  fedloop-audit report BUNDLE --out FILE [--trust FILE]
      The same as a self-contained HTML page, with charts of ε over rounds and of consents over the log.
  fedloop-audit compare OLD NEW [--evidence FILE] [--json]
      Check that NEW's log extends OLD's. If not, --evidence keeps a proof of the fork that convinces anyone.
  fedloop-audit export-events BUNDLE [--population NAME] [--trust FILE]
      Print what a population has spent as one DpEvent in JSON, for any accountant (\`fedloop epsilon --event -\`).
  fedloop-audit keygen --out FILE
      Make your X25519 key: the private half goes to FILE, the public one, which the operator seals to, is printed.
  fedloop-audit explain [CODE]
      Say what a finding code means; without CODE, all of them.

Options:
  --trust FILE   JSON with what you know from elsewhere: log, vkey, operatorKey, witnesses, quorum, checkpoint,
                 maximumSilenceMs, subjectsWithKeys. Without it a bundle is checked against itself only.
  --auditor-key FILE
                 Your X25519 private key, 32 bytes as base64url, for cohort lists that are sealed to auditors.
  --json         Print one line of JSON.
  --help         Print this.

Exit codes:
  0  everything holds
  1  something does not hold: the findings say what
  2  wrong arguments, or a file that cannot be read
`;

/** Runs a command line and answers its exit code; nothing is thrown. */
export async function runAudit(args: readonly string[], terminal: Terminal): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === undefined || args.includes("--help") || args.includes("-h")) {
      (command === undefined ? terminal.error : terminal.out)(helpText);
      return command === undefined ? exitUnusable : exitHolds;
    }
    switch (command) {
      case "verify":
        return await verifyCommand(rest, terminal);
      case "report":
        return await reportCommand(rest, terminal);
      case "compare":
        return await compareCommand(rest, terminal);
      case "export-events":
        return await exportEventsCommand(rest, terminal);
      case "keygen":
        return await keygenCommand(rest, terminal);
      case "explain":
        return explainCommand(rest, terminal);
      default:
        throw new UnusableError(`There is no command "${command}".`);
    }
  } catch (error) {
    terminal.error(`fedloop-audit: ${unusableMessage(error)}\nSee fedloop-audit --help.\n`);
    return exitUnusable;
  }
}

function unusableMessage(error: unknown): string {
  if (error instanceof LedgerError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
