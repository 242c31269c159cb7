import { join } from "node:path";
import t from "tap";
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

const FILES = {
  "passes.mjs": `import t from "tap"; t.test("a", async (t) => t.ok(true));`,
  "fails.mjs": `import t from "tap"; t.test("a", async (t) => t.equal(1, 2));`,
  "leaves.mjs": `import t from "tap"; t.test("a", async () => process.reallyExit(0));`,
  "hangs.mjs": `import { spawn } from "node:child_process"; spawn("sleep", ["600"]); setInterval(() => {}, 1000);`,
};

t.test("a file passes only when it ends by itself, in time, with all its tests run", async (t) => {
  const root = t.testdir(FILES);
  const signal = new AbortController().signal;
  const run = (file: string, limitMs = 60_000) => runTestFile(join(root, file), { root, limitMs, signal });
  const [passes, fails, leaves, hangs] = await Promise.all([
    run("passes.mjs"),
    run("fails.mjs"),
    run("leaves.mjs"),
    run("hangs.mjs", 300),
  ]);
  t.match(readOutput(passes.output), { passed: 1, failed: 0, planned: true });
  t.equal(passes.fault, undefined);
  t.match(readOutput(fails.output), { passed: 0, failed: 1 });
  t.equal(fails.fault, "ended with status 1");
  t.equal(readOutput(leaves.output).planned, false, "a file that leaves in mid-test has no plan");
  t.equal(hangs.fault, "was not done after 0.3 s");
});
