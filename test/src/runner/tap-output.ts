/** Reads what one test file prints in the Test Anything Protocol: counts its assertions and keeps what a person must see. */

/** What was counted in one file's output. */
export interface Tally {
  passed: number;
  failed: number;
  /** Names of the assertions and tests that were skipped, with tap's reason. */
  readonly skipped: string[];
  /** Failed assertions with the diagnostics tap printed below them. */
  readonly failures: string[];
  /** Whether the file said how many tests it planned to run: without, it ended before its tests did. */
  planned: boolean;
}

const RESULT = /^( *)(not )?ok \d+(?: - (.*))?$/;
const PLAN = /^1\.\.\d+/;
/** Lines of diagnostics that are kept of each failure: tap tells of every open socket of a file that hangs. */
const LONGEST_DIAGNOSTICS = 80;

/**
 * Counts the leaves of tap's tree. A test that closes is no leaf: its assertions were counted, and the line that closes it ends in its time.
 * Diagnostics of a failed assertion are the lines up to the next result.
 */
export function readOutput(output: string): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: [], failures: [], planned: false };
  let failing = false;
  let kept = 0;
  for (const line of output.split("\n")) {
    const result = RESULT.exec(line);
    if (result === null) {
      if (PLAN.test(line)) tally.planned = true;
      if (failing && kept < LONGEST_DIAGNOSTICS && !line.trimStart().startsWith("# Subtest")) {
        tally.failures.push(line);
        kept += 1;
      }
      continue;
    }
    const name = result[3] ?? "";
    failing = result[2] !== undefined;
    kept = 0;
    if (name.includes("# SKIP")) tally.skipped.push(name);
    else if (!name.includes("# time=")) {
      if (failing) tally.failed += 1;
      else tally.passed += 1;
    }
    if (failing) tally.failures.push(line);
  }
  return tally;
}
