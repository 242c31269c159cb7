import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { LONG_FILES, Schedule } from "./schedule.js";
import { withSourcePlaces } from "./source-places.js";
import { readOutput } from "./tap-output.js";
import { runTestFile } from "./test-file.js";

const OUTPUT = `TAP version 14
# Subtest: adds
    ok 1 - one and one
    not ok 2 - two and two
      ---
      diff: |
        -5
        +4
      ...
    1..2
not ok 1 - adds # time=3ms
# Subtest: in a browser # SKIP no Chromium
    1..0
ok 2 - in a browser # SKIP no Chromium
ok 3 - at the top
1..3
`;

t.test("assertions are counted once each, whatever holds them, and failures keep their diagnostics", async (t) => {
  const tally = readOutput(OUTPUT);
  t.match(tally, { passed: 2, failed: 1, planned: true, skipped: ["in a browser # SKIP no Chromium"] });
  t.match(tally.failures.join("\n"), "not ok 2 - two and two");
  t.match(tally.failures.join("\n"), "+4");
  t.notMatch(tally.failures.join("\n"), "at the top");
});

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

t.test("the files that run long are there under these names", async (t) => {
  for (const file of LONG_FILES.keys())
    t.ok(existsSync(join(ROOT, file.replace("/dist/", "/").replace(/js$/, "ts"))), file);
});

t.test("long files come first, as many as there is room for, and each file once", async (t) => {
  const [longest = "", second = ""] = LONG_FILES.keys();
  const schedule = new Schedule(["a", second, "b", longest, "c"], 2);
  t.strictSame([schedule.next(), schedule.next(), schedule.next()], [longest, second, undefined]);
  schedule.ended(longest);
  t.strictSame([schedule.next(), schedule.next(), schedule.next()], ["a", "b", undefined]);
  schedule.ended("b");
  t.strictSame([schedule.next(), schedule.next()], ["c", undefined]);
});

t.test("a file that asks for more than there is runs alone", async (t) => {
  const [longest = ""] = LONG_FILES.keys();
  const schedule = new Schedule([longest, "a"], 1);
  t.strictSame([schedule.next(), schedule.next()], [longest, undefined]);
  schedule.ended(longest);
  t.equal(schedule.next(), "a");
});

t.test("a failure is told with its place in the source", async (t) => {
  const lineOf = (file: string): number =>
    readFileSync(join(ROOT, file), "utf8")
      .split("\n")
      .findIndex((line) => line.includes("class Schedule")) + 1;
  const [source, compiled] = ["test/src/runner/schedule.ts", "test/dist/src/runner/schedule.js"];
  const fields = (file: string): string => `fileName: ${file}\n  lineNumber: ${lineOf(file)}\n  columnNumber: 1\n`;
  const stack = (file: string, before = ""): string => `    at next (${before}${file}:${lineOf(file)}:1)\n`;
  t.not(lineOf(source), lineOf(compiled));
  t.equal(withSourcePlaces(fields(compiled) + stack(compiled), ROOT), fields(source) + stack(source));
  t.equal(withSourcePlaces(stack(compiled, `file://${ROOT}`), ROOT), stack(source));
  t.equal(withSourcePlaces("at x (node_modules/nothing.js:1:2)", ROOT), "at x (node_modules/nothing.js:1:2)");
});

const FILES = {
  "passes.mjs": `import t from "tap"; t.test("a", async (t) => t.ok(true));`,
  "fails.mjs": `import t from "tap"; t.test("a", async (t) => t.equal(1, 2));`,
  "leaves.mjs": `import t from "tap"; t.test("a", async () => process.reallyExit(0));`,
  "rejects.mjs": `import t from "tap"; t.test("a", async (t) => { Promise.reject(new Error("lost")); await t.resolves(new Promise((end) => setImmediate(end))); });`,
  "hangs.mjs": `import { spawn } from "node:child_process"; spawn("sleep", ["600"]); setInterval(() => {}, 1000);`,
};

t.test("a file passes only when it ends by itself, in time, with all its tests run", async (t) => {
  const root = t.testdir(FILES);
  const signal = new AbortController().signal;
  const run = (file: string, limitMs = 60_000) => runTestFile(join(root, file), { root, limitMs, signal });
  const [passes, fails, leaves, rejects, hangs] = await Promise.all([
    run("passes.mjs"),
    run("fails.mjs"),
    run("leaves.mjs"),
    run("rejects.mjs"),
    run("hangs.mjs", 300),
  ]);
  t.match(readOutput(passes.output), { passed: 1, failed: 0, planned: true });
  t.equal(passes.fault, undefined);
  t.match(readOutput(fails.output), { passed: 0, failed: 1 });
  t.equal(fails.fault, "ended with status 1");
  t.equal(readOutput(leaves.output).planned, false, "a file that leaves in mid-test has no plan");
  t.equal(rejects.fault, "ended with status 1", "a rejection that nobody handles");
  t.equal(hangs.fault, "was not done after 0.3 s");
});
