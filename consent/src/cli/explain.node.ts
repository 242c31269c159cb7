import { type FindingCode, findingMeanings } from "../audit/finding.js";
import { exitHolds, type Terminal, UnusableError } from "./command.node.js";

function isFindingCode(code: string): code is FindingCode {
  return Object.hasOwn(findingMeanings, code);
}

/** `fedloop-audit explain [CODE]` */
export function explainCommand(args: readonly string[], terminal: Terminal): number {
  const [code, ...more] = args;
  if (code === undefined) {
    for (const [name, meaning] of Object.entries(findingMeanings)) terminal.out(`${name}\n  ${meaning}\n`);
    return exitHolds;
  }
  if (more.length > 0 || !isFindingCode(code))
    throw new UnusableError(`"${args.join(" ")}" is no finding code; \`fedloop-audit explain\` lists all.`);
  terminal.out(`${code}\n  ${findingMeanings[code]}\n`);
  return exitHolds;
}
