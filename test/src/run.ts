/**
 * Runs the compiled tests of all packages with tap and closes with the line "N passed, N failed".
 *
 *   node test/dist/src/run.js [--slow] [PATTERN ...]
 *
 * Files named *.slow.test.js run with --slow only, and then alone; a PATTERN keeps the files whose path contains it. In CI (CI=true) a
 * skipped test counts as failed: there everything that tests need must be installed.
 */
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PACKAGES = [
  "proto",
  "privacy",
  "consent",
  "client-runtime",
  "feedback",
  "coordinator",
  "benchmarks",
  "test",
  "examples",
];
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

function testFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.js"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

const ASSERTION = /^( {4,})(not )?ok \d+(?: - (.*))?$/;
const FILE = /^(not )?ok \d+ - (.*)$/;

/** Counts assertions (the leaves of tap's tree) and prints what a person wants to see: files, failures, skips. */
function readLine(line: string, tally: Tally, context: { failing: boolean }): void {
  const assertion = ASSERTION.exec(line);
  if (assertion !== null) {
    const name = assertion[3] ?? "";
    context.failing = assertion[2] !== undefined;
    if (name.includes("# SKIP")) tally.skipped.push(name);
    else if (name.includes("# time=")) {
      // A subtest that closes: its assertions have been counted.
    } else if (context.failing) tally.failed += 1;
    else tally.passed += 1;
    if (context.failing) console.log(line);
    return;
  }
  const file = FILE.exec(line);
  if (file !== null) {
    context.failing = file[1] !== undefined;
    console.log(line);
    if (context.failing) tally.failed += 1;
    return;
  }
  if (context.failing && !line.trimStart().startsWith("# Subtest")) console.log(line);
}

const TAP = join(root, "node_modules", "tap", "dist", "esm", "run.mjs");

/** tap has to be told once, after each install, which plugins the project goes without. */
function configureTap(): void {
  const installed = join(root, "node_modules", ".package-lock.json");
  const marker = join(root, "node_modules", ".tap-configured");
  if (existsSync(marker) && existsSync(installed) && statSync(marker).mtimeMs >= statSync(installed).mtimeMs) return;
  const { status } = spawnSync(process.execPath, [TAP, "build"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status === 0) writeFileSync(marker, "");
}

async function main(): Promise<number> {
  const slow = process.argv.includes("--slow");
  const patterns = process.argv.slice(2).filter((argument) => argument !== "--slow");
  const files = PACKAGES.flatMap((name) => testFiles(join(root, name, "dist")))
    .filter((file) => file.endsWith(".slow.test.js") === slow)
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
    .sort();
  if (files.length === 0) {
    console.error("no compiled test matches; run npm run build first");
    return 1;
  }
  configureTap();
  mkdirSync(join(root, ".tap"), { recursive: true });
  const report = createWriteStream(join(root, ".tap", "report.tap"));
  const tap = spawn(
    process.execPath,
    [TAP, "--disable-coverage", "--reporter=tap", "--jobs=2", `--timeout=${slow ? 900 : 240}`, ...files],
    { cwd: root, stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, NODE_NO_WARNINGS: "1" } },
  );
  const tally: Tally = { passed: 0, failed: 0, skipped: [] };
  const context = { failing: false };
  for await (const line of createInterface({ input: tap.stdout })) {
    report.write(`${line}\n`);
    readLine(line, tally, context);
  }
  const code = await new Promise<number>((resolve) => {
    if (tap.exitCode !== null) resolve(tap.exitCode);
    else tap.once("exit", (status) => resolve(status ?? 1));
  });
  report.end();
  for (const skip of new Set(tally.skipped)) console.log(`skipped: ${skip}`);
  const strict = process.env.CI === "true";
  if (strict) tally.failed += tally.skipped.length;
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  const skipped = tally.skipped.length > 0 && !strict ? `, ${tally.skipped.length} skipped` : "";
  console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`);
  return tally.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
