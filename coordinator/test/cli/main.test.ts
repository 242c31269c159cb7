import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

function start(words: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let err = "";
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  return { child, lines: createInterface({ input: child.stdout }), err: () => err };
}

async function ended(child: ChildProcess): Promise<unknown> {
  const [exitCode] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
  return exitCode;
}

function configuration(test: { teardown(handler: () => void): void }): string {
  const folder = temporaryFolder(test);
  writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
  writeFileSync(
    join(folder, "plan.yaml"),
    `population: lecturers
controller: Example University
purpose: lecture-recommendations
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]
model: { parameters: 10 }
trainer: { id: biased-factorisation }
rounds: 1
cohort: { target: 5 }
secureAggregation: { enabled: false, reason: a test }
`,
  );
  const config = "origin: example.org/log\nplans: [plan.yaml]\nlisten: { port: 0 }\nlog: { level: silent }\n";
  writeFileSync(join(folder, "fedloop.yaml"), config);
  return join(folder, "fedloop.yaml");
}

async function listening(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const event = JSON.parse(line);
    if (event.event === "listening") return String(event.address);
  }
  return "";
}

t.test("serve runs until it is asked to stop; meanwhile its data folder and address are taken", async (t) => {
  const config = configuration(t);
  const server = start(["serve", "--json", "--config", config]);
  t.teardown(() => server.child.kill("SIGKILL"));
  const address = await listening(server.lines);
  t.match(address, /^127\.0\.0\.1:\d+$/, server.err());

  const second = start(["serve", "--config", config]);
  t.equal(await ended(second.child), 4);
  t.match(second.err(), /^error STORE_LOCKED: /);

  const third = start(["serve", "--config", configuration(t)], { FEDLOOP_LISTEN: address });
  t.equal(await ended(third.child), 7);
  t.match(third.err(), /^error ADDRESS_IN_USE: /);

  const status = start(["status", "--json", "--config", config]);
  const [line] = await once(status.lines, "line");
  t.match(JSON.parse(String(line)), { origin: "example.org/log", populations: [{ population: "lecturers" }] });
  t.equal(await ended(status.child), 0);

  server.child.kill("SIGINT");
  t.equal(await ended(server.child), 0, server.err());
  t.notMatch(server.err(), /\n\s+at /);
});

t.test("a reader that goes away is no error", async (t) => {
  const { child } = start(["--help"]);
  child.stdout?.destroy();
  t.equal(await ended(child), 0);
});

t.test("an error ends the process with its code and without a stack", async (t) => {
  const { child, err } = start(["status", "--config", "/nowhere/fedloop.yaml"]);
  t.equal(await ended(child), 3);
  t.match(err(), /^error FILE_UNREADABLE: [^\n]+\n$/);
});

t.test("simulate runs a plan's virtual devices, and leaves a model and a page", async (t) => {
  const config = configuration(t);
  const folder = dirname(config);
  const plan = join(folder, "plan.yaml");
  const changed = readFileSync(plan, "utf8").replace(
    "{ parameters: 10 }",
    "{ tensors: { kernel: [3, 2], bias: [2] } }",
  );
  const data = "{ type: synthetic, classes: 2, features: 3, examples: 60 }";
  writeFileSync(plan, `${changed}policy: { epsilon: 100, delta: 1.0e-5 }\nsimulation: { devices: 6, data: ${data} }\n`);
  const { child, lines, err } = start(["simulate", plan, "--json", "--threads", "1", "--out", join(folder, "out")]);
  let last = "";
  for await (const line of lines) last = line;
  t.equal(await ended(child), 0, err());
  const summary = JSON.parse(last);
  t.match(summary, { population: "lecturers", devices: 6, seed: 1, unit: "participant", strategy: "fedavg" });
  t.equal(summary.rounds.length, 1);
  t.ok(summary.epsilon > 0);
  t.match(err(), /Round 1: 6 of 6 devices, accuracy/, "progress is told");
  t.match(readFileSync(summary.page, "utf8"), /<!doctype html>/);
  const digest = createHash("sha256").update(readFileSync(summary.model)).digest("base64url");
  t.equal(digest, summary.modelSha256);
});

t.test("simulate says what it needs where a plan describes no devices and there are no data", async (t) => {
  const { child, err } = start(["simulate", join(dirname(configuration(t)), "plan.yaml")]);
  t.equal(await ended(child), 2);
  t.match(err(), /error USAGE: expected a section simulation in the plan.*--data FILE/);
});
