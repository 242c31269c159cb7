import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { noteSigner } from "@fedloop/consent";
import t from "tap";
import { EXIT_CODES, exitCodeOf } from "../../src/cli/exit-codes.js";
import { COORDINATOR_ERROR_CODES } from "../../src/errors.js";
import { Ledger } from "../../src/ledger/ledger.js";
import { loadKeys } from "../../src/server/keys.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { manualClock } from "../ledger/fixture.js";
import { temporaryFolder } from "../temporary-folder.js";
import { type Typed, typed } from "./typed.js";

const run = (
  words: readonly string[],
  environment: Record<string, string> = {},
  signal = new AbortController().signal,
): Promise<Typed> => typed(words, { environment, signal });

const PLAN = `population: lecturers
controller: Example University
purpose: lecture-recommendations
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]
model: { parameters: 100 }
trainer: { id: biased-factorisation }
rounds: 3
cohort: { target: 500 }
secureAggregation: { enabled: false, reason: a test }
`;

interface Files {
  readonly folder: string;
  readonly plan: string;
  readonly config: string;
}

function files(test: { teardown(handler: () => void): void }, plan = PLAN): Files {
  const folder = temporaryFolder(test);
  writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
  writeFileSync(join(folder, "plan.yaml"), plan);
  writeFileSync(join(folder, "fedloop.yaml"), "origin: example.org/log\nplans: [plan.yaml]\ndataDir: data\n");
  return { folder, plan: join(folder, "plan.yaml"), config: join(folder, "fedloop.yaml") };
}

t.test("help lists the commands and the exit codes; every command has its own", async (t) => {
  const help = await run(["--help"]);
  t.equal(help.exitCode, 0);
  t.equal(help.err, "");
  for (const command of ["serve", "status", "demo", "plan", "audit-bundle", "epsilon", "calibrate", "budget"]) {
    t.match(help.out, new RegExp(`^  ${command}`, "m"));
    const own = await run([command, "--help"]);
    t.match(own, { exitCode: 0, err: "", out: new RegExp(`Usage: fedloop ${command}`) });
  }
  for (const meaning of Object.values(EXIT_CODES)) t.match(help.out, meaning);
  for (const words of [["serve"], ["status"], ["demo"], ["plan", "validate"], ["audit-bundle", "export"]]) {
    const { out } = await run([...words, "--help"]);
    t.match(out, "--json");
  }
  for (const words of [
    ["tokens", "create"],
    ["tokens", "rotate"],
    ["invitations", "create"],
  ]) {
    t.match((await run([...words, "--help"])).out, /default:\s+\d+d\)/, "a time as one types it");
  }
});

/** Command lines that are wrong, and what the message must say. */
const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /expected a command, came none/],
  [["plan"], /expected one more word/],
  [["audit-bundle"], /expected one more word/],
  [["sevre"], /unknown command 'sevre'.*Did you mean serve/s],
  [["serve", "--port", "5"], /unknown option '--port'/],
  [["serve", "now"], /too many arguments/],
  [["demo", "--rounds", "0"], /'--rounds <n>' argument '0' is invalid. Expected a whole number from 1 on/],
  [["demo", "--rounds", "1.5"], /--rounds/],
  [["demo", "--rounds", "1e3"], /--rounds/],
  [["demo", "--rounds", "9".repeat(40)], /--rounds/],
  [["demo", "--epsilon", "-1"], /--epsilon.*Expected a number above 0/],
  [["demo", "--epsilon", "Infinity"], /--epsilon/],
  [["demo", "--epsilon", "0x10"], /--epsilon/],
  [["demo", "--participants", ""], /--participants/],
  [["demo", "--seed", "-1"], /--seed/],
  [["demo", "--data", " "], /--data.*came an empty one/],
  [["demo", "--data"], /argument missing/],
  [["demo", "--no-dp"], /expected --reason TEXT/],
  [["audit-bundle", "export"], /required option '--out <file>'/],
  [["--config", "", "status"], /--config/],
];

t.test("a wrong command line is told in one line, with exit code 2", async (t) => {
  for (const [words, message] of WRONG) {
    const ran = await run(words);
    t.match(ran, { exitCode: 2, out: "", err: message }, words.join(" "));
    t.match(ran.err, /^error USAGE: /);
    t.notMatch(ran.err, /\n\s+at /);
  }
});

t.test("with --json an error is one object", async (t) => {
  const { exitCode, out, err } = await run(["status", "--json", "--config", "/nowhere/fedloop.yaml"]);
  t.equal(exitCode, 3);
  t.equal(out, "");
  t.match(JSON.parse(err), { error: { code: "FILE_UNREADABLE", message: /\/nowhere\/fedloop\.yaml/ } });
});

t.test("plan validate says what a plan will cost", async (t) => {
  const { plan } = files(t);
  const text = await run(["plan", "validate", plan]);
  t.match(text, { exitCode: 0, err: "", out: /plan\.yaml: fine\n {2}population {10}lecturers\n/ });
  const { exitCode, out } = await run(["plan", "validate", "--json", plan]);
  t.equal(exitCode, 0);
  const { plans } = JSON.parse(out);
  t.match(plans, [
    { file: plan, ok: true, plan: { population: "lecturers", rounds: { train: 3, evaluate: 0 }, parameters: 100 } },
  ]);
  const { epsilon, cap, delta } = plans[0].plan.privacy;
  t.ok(epsilon > 3.9 && epsilon <= 4, `${epsilon}`);
  t.match({ cap, delta }, { cap: 4, delta: 1e-5 });
});

t.test("plan validate without files takes those of the configuration", async (t) => {
  const { config } = files(t);
  t.match(await run(["--config", config, "plan", "validate"]), { exitCode: 0, out: /fine/ });
  t.match(await run(["plan", "validate", "--config", config]), { exitCode: 0, out: /fine/ });
});

t.test("plan validate tells every plan that is wrong, and ends with 3", async (t) => {
  const good = files(t).plan;
  const bad = files(t, PLAN.replace("rounds: 3", "rounds: three")).plan;
  const text = await run(["plan", "validate", bad, good, "/nowhere/plan.yaml"]);
  t.equal(text.exitCode, 3);
  t.match(text.out, /fine/);
  t.match(
    text.err,
    /^error BAD_PLAN: .*plan\.yaml:9:9 rounds: expected a whole number from 1 to 100000, came "three"\n/,
  );
  t.match(text.err, /\nerror FILE_UNREADABLE: /);
  const json = await run(["plan", "validate", "--json", bad, good]);
  t.match(json, { exitCode: 3, err: "" });
  t.match(JSON.parse(json.out), { plans: [{ ok: false, error: { code: "BAD_PLAN" } }, { ok: true }] });
});

t.test("plan validate refuses noise that would overrun the cap", async (t) => {
  const { plan } = files(t, `${PLAN}privacy: { noiseMultiplier: 0.5 }\n`);
  t.match(await run(["plan", "validate", plan]), {
    exitCode: 3,
    err: /expected all rounds together to stay at ε ≤ 4, they would spend/,
  });
});

t.test("plan validate shows that a plan does without noise, and why", async (t) => {
  const { plan } = files(t, `${PLAN}privacy: { mechanism: none, reason: public data }\n`);
  t.match(await run(["plan", "validate", plan]), { exitCode: 0, out: /privacy {13}none: public data/ });
});

t.test("an interruption ends with 130", async (t) => {
  const { plan } = files(t);
  t.match(await run(["plan", "validate", plan], {}, AbortSignal.abort()), { exitCode: 130, err: /^error CANCELLED: / });
});

t.test("audit-bundle export writes what the log holds, and does not make a data folder", async (t) => {
  const { folder, config } = files(t);
  const out = join(folder, "log.bundle");
  const words = ["audit-bundle", "export", "--config", config, "--out", out];
  t.match(await run(words), { exitCode: 3, err: /error FILE_UNREADABLE: / });
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  const keys = await loadKeys(join(dataDir, "keys"));
  const store = await openSqliteStore(join(dataDir, "fedloop.sqlite"));
  const signer = noteSigner("example.org/log", keys.checkpoint);
  const ledger = await Ledger.open({
    store,
    origin: "example.org/log",
    operatorSigner: keys.operator,
    noteSigner: signer,
    clock: manualClock(),
  });
  t.match(
    await run(words),
    { exitCode: 0, out: /log\.bundle: 0 entries of example\.org\/log\n/ },
    "while the log is open",
  );
  await ledger.close();
  await store.close();
  const { exitCode, out: json } = await run([...words, "--json"]);
  t.equal(exitCode, 0);
  t.same(JSON.parse(json), { bundle: out, entries: 0, verifierKey: signer.vkey });
});

t.test("every error code has an exit code", async (t) => {
  for (const code of COORDINATOR_ERROR_CODES) t.ok(Object.hasOwn(EXIT_CODES, String(exitCodeOf(code))), code);
  t.equal(exitCodeOf("toString"), 1);
});
