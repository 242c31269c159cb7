import { parseArgs } from "node:util";
import { exitFindings, exitHolds, jsonText, onlyOperand, type Terminal, UnusableError } from "./command.node.js";
import { findingText, verificationOptions, verifyFile } from "./verify.node.js";

/** `fedloop-audit export-events BUNDLE [--population NAME] [--trust FILE]` */
export async function exportEventsCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...verificationOptions, population: { type: "string" } },
  });
  const report = await verifyFile(onlyOperand(positionals, "BUNDLE"), values, terminal);
  const names = report.populations.map(({ population }) => population);
  const name = values.population ?? (names.length === 1 ? names[0] : undefined);
  const chosen = report.populations.find(({ population }) => population === name);
  if (chosen === undefined)
    throw new UnusableError(`Choose one with --population; the bundle has: ${names.join(", ") || "none"}.`);
  terminal.out(`${jsonText(chosen.event)}\n`);
  if (report.ok) return exitHolds;
  terminal.error("The bundle does not verify, so these events may not be what happened:\n");
  for (const finding of report.findings.slice(0, 5)) terminal.error(`  ${findingText(finding)}\n`);
  return exitFindings;
}
