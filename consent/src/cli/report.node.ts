import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { reportHtml } from "../report/report.js";
import { exitFindings, exitHolds, onlyOperand, type Terminal, UnusableError } from "./command.node.js";
import { verificationOptions, verifyFile } from "./verify.node.js";

/** `fedloop-audit report BUNDLE --out FILE [--trust FILE]` */
export async function reportCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...verificationOptions, out: { type: "string" } },
  });
  const path = onlyOperand(positionals, "BUNDLE");
  if (values.out === undefined) throw new UnusableError("Say where the page goes with --out FILE.");
  const report = await verifyFile(path, values, terminal);
  await writeFile(values.out, reportHtml(report, { bundle: basename(path), time: Date.now() }));
  terminal.out(`${report.ok ? "VERIFIED" : `FAILED (${report.findings.length} findings)`}  ${values.out}\n`);
  return report.ok ? exitHolds : exitFindings;
}
