/**
 * Runs the compiled tests of all packages and closes with the line "N passed, N failed".
 *
 *   node test/dist/src/run.js [--slow] [PATTERN ...]
 *
 * Files named *.slow.test.js run with --slow only, and then alone; a PATTERN keeps the files whose path contains it. In CI (CI=true) a
 * skipped test counts as failed: there everything that tests need must be installed. Files are tap programs and run as such, one process
 * each: tap's own runner hooks into the loading of every module (for coverage), which took a third of all processor time.
 */
import { spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { readOutput } from "./runner/tap-output.js";
import { runTestFile } from "./runner/test-file.js";

/** The packages with the longest files come first, so that none of these runs alone at the end. */
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
const FILES_AT_A_TIME = 2;
/** Slow files wait much of their time, for deadlines of rounds and for processes that end: one more fills that. */
const SLOW_FILES_AT_A_TIME = 3;
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

/** tap has to be told once, after each install, which plugins the project goes without. */
function configureTap(): void {
  const installed = join(root, "node_modules", ".package-lock.json");
  const marker = join(root, "node_modules", ".tap-configured");
  if (existsSync(marker) && existsSync(installed) && statSync(marker).mtimeMs >= statSync(installed).mtimeMs) return;
  const tap = join(root, "node_modules", "tap", "dist", "esm", "run.mjs");
  const { status } = spawnSync(process.execPath, [tap, "build"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status === 0) writeFileSync(marker, "");
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
  configureTap();
  mkdirSync(join(root, ".tap"), { recursive: true });
  const report = createWriteStream(join(root, ".tap", "report.tap"));
  const signal = stopOnSignals();
  const limitMs = slow ? SLOW_FILE_LIMIT_MS : FILE_LIMIT_MS;
  const skipped: string[] = [];
  let [passed, failed] = [0, 0];

  async function runNext(): Promise<void> {
    for (let file = files.shift(); file !== undefined && !signal.aborted; file = files.shift()) {
      const run = await runTestFile(file, { root, limitMs, signal });
      const tally = readOutput(run.output);
      const fault = run.fault ?? (tally.planned ? undefined : "ended before its tests did");
      const failures = tally.failed === 0 && fault !== undefined ? 1 : tally.failed;
      passed += tally.passed;
      failed += failures;
      skipped.push(...tally.skipped);
      report.write(`# Subtest: ${file}\n${run.output}`);
      for (const line of tally.failures) console.log(line);
      const processor = run.processorSeconds === undefined ? "" : `, processor ${run.processorSeconds.toFixed(1)} s`;
      const verdict = failures === 0 ? "ok" : "not ok";
      console.log(
        `${verdict} - ${file} # ${run.seconds.toFixed(1)} s${processor}${fault === undefined ? "" : `: ${fault}`}`,
      );
    }
  }
  await Promise.all(Array.from({ length: slow ? SLOW_FILES_AT_A_TIME : FILES_AT_A_TIME }, runNext));
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
