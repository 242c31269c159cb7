import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { compareBundles } from "../audit/compare.js";
import { nodeVerifier } from "../crypto/node-crypto.node.js";
import { exitFindings, exitHolds, jsonText, openBundle, type Terminal, UnusableError } from "./command.node.js";

/** `fedloop-audit compare OLD NEW [--evidence FILE] [--json]` */
export async function compareCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { evidence: { type: "string" }, json: { type: "boolean", default: false } },
  });
  const [older, newer, ...more] = positionals;
  if (older === undefined || newer === undefined || more.length > 0)
    throw new UnusableError(`Two bundles are expected, OLD and NEW; ${positionals.length} were given.`);
  const comparison = await compareBundles(openBundle(older), openBundle(newer), { verifier: nodeVerifier() });
  const { consistent, log, oldSize, newSize, forkIndex, evidence } = comparison;
  if (evidence !== null && values.evidence !== undefined) await writeFile(values.evidence, evidence);
  if (values.json) terminal.out(`${jsonText(comparison)}\n`);
  else if (consistent) terminal.out(`CONSISTENT  ${log} grew from ${oldSize} to ${newSize} entries.\n`);
  else
    terminal.out(
      `FORKED  ${log} shows two histories: they differ from entry ${forkIndex} on.\n` +
        `${values.evidence === undefined ? "Keep the proof with --evidence FILE." : `Proof: ${values.evidence}`}\n`,
    );
  return consistent ? exitHolds : exitFindings;
}
