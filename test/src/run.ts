/**
 * Runs the compiled tests of all packages and closes with the line "N passed, N failed".
 *
 *   node test/dist/src/run.js [--slow] [PATTERN ...]
 *
 * Files named *.slow.test.js run with --slow only, and then alone; a PATTERN keeps the files whose path contains it. In CI (CI=true) a
 * skipped test counts as failed: there everything that tests need must be installed. Files are tap programs and run as such, one process
 * each: tap's own runner hooks into the loading of every module (for coverage), which took a third of all processor time.
 */
import { createWriteStream, existsSync, mkdirSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Schedule } from "./runner/schedule.js";
import { withSourcePlaces } from "./runner/source-places.js";
import { readOutput } from "./runner/tap-output.js";
import { runTestFile } from "./runner/test-file.js";

const PACKAGES = [
  "examples",
  "test",
  "coordinator",
  "benchmarks",
  "consent",
  "client-runtime",
  "feedback",
  "privacy",
  "proto",
];
const FILE_LIMIT_MS = 240_000;
const SLOW_FILE_LIMIT_MS = 900_000;
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

function testFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.js"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter(hasSource)
    .sort();
}

/** What was compiled of a test that is gone, or has another name now, is not run. */
function hasSource(file: string): boolean {
  return existsSync(join(root, file.replace("/dist/", "/").replace(/\.js$/, ".ts")));
}

function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}

async function main(): Promise<number> {
  const slow = process.argv.includes("--slow");
  const patterns = process.argv.slice(2).filter((argument) => argument !== "--slow");
  const files = PACKAGES.flatMap((name) => testFiles(join(root, name, "dist")))
    .filter((file) => file.endsWith(".slow.test.js") === slow)
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)));
  if (files.length === 0) {
    console.error("no compiled test matches; run npm run build first");
    return 1;
  }
  mkdirSync(join(root, ".tap"), { recursive: true });
  const report = createWriteStream(join(root, ".tap", "report.tap"));
  const signal = stopOnSignals();
  const limitMs = slow ? SLOW_FILE_LIMIT_MS : FILE_LIMIT_MS;
  const skipped: string[] = [];
  let [passed, failed] = [0, 0];

  async function runOne(file: string): Promise<void> {
    const run = await runTestFile(file, { root, limitMs, signal });
    const tally = readOutput(run.output);
    const fault = run.fault ?? (tally.planned ? undefined : "ended before its tests did");
    const failures = tally.failed === 0 && fault !== undefined ? 1 : tally.failed;
    passed += tally.passed;
    failed += failures;
    skipped.push(...tally.skipped);
    report.write(`# Subtest: ${file}\n${run.output}`);
    if (tally.failures.length > 0) console.log(withSourcePlaces(tally.failures.join("\n"), root));
    const processor = run.processorSeconds === undefined ? "" : `, processor ${run.processorSeconds.toFixed(1)} s`;
    const verdict = failures === 0 ? "ok" : "not ok";
    console.log(
      `${verdict} - ${file} # ${run.seconds.toFixed(1)} s${processor}${fault === undefined ? "" : `: ${fault}`}`,
    );
  }

  const schedule = new Schedule(files, availableParallelism());
  const running = new Set<Promise<void>>();
  for (;;) {
    for (let file = signal.aborted ? undefined : schedule.next(); file !== undefined; file = schedule.next()) {
      const started = file;
      const run = runOne(started).finally(() => {
        schedule.ended(started);
        running.delete(run);
      });
      running.add(run);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  report.end();
  if (signal.aborted) return 1;
  for (const skip of new Set(skipped)) console.log(`skipped: ${skip}`);
  const strict = process.env.CI === "true";
  if (strict) failed += skipped.length;
  console.log(
    `${passed} passed, ${failed} failed${skipped.length > 0 && !strict ? `, ${skipped.length} skipped` : ""}`,
  );
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
