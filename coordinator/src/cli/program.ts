/** The `fedloop` command: what can be typed, and what it starts. The work itself is loaded when it is asked for. */
import { Command, CommanderError, Option } from "commander";
import { CoordinatorError } from "../errors.js";
import { SERVE_ROLES, type ServeRole } from "../server/roles.js";
import { addInit, addInvitations, addTokens } from "./access-commands.js";
import { addAnalytics, addJournal } from "./analytics-commands.js";
import { positiveNumber, someText, wholeNumber } from "./arguments.js";
import { addBackup } from "./backup-commands.js";
import { EXIT_CODES, type ExitCode } from "./exit-codes.js";
import { addExperiments } from "./experiment-commands.js";
import { configOf, type Json, jsonOption } from "./flags.js";
import { addModels } from "./models-commands.js";
import { addPopulations } from "./populations-commands.js";
import { DEFAULT_CONFIG, type Surroundings } from "./surroundings.js";
import { addWebhooks } from "./webhooks-commands.js";

function addServe(program: Command, { environment, signal, print }: Surroundings): void {
  program
    .command("serve")
    .description("run a coordinator: serve devices and drive the rounds of its plans until it is stopped")
    .option("--exit-when-finished", "end by itself when all rounds of all plans are done", false)
    .addOption(
      new Option("--role <role>", "coordinate, sum groups for those that do, or both")
        .choices(SERVE_ROLES)
        .default("all"),
    )
    .addOption(jsonOption("print events as JSON, one a line"))
    .action(
      async (
        { exitWhenFinished, role, json }: Json & { exitWhenFinished: boolean; role: ServeRole },
        command: Command,
      ) => {
        const config = configOf(command);
        const { runServe } = await import("../server/serve.js");
        await runServe({ config, environment, json, exitWhenFinished, role, signal, print });
      },
    );
}

function addStatus(program: Command, { environment, print }: Surroundings): void {
  program
    .command("status")
    .description("say how the rounds and budgets of a coordinator stand, whether it runs or not")
    .addOption(jsonOption())
    .action(async ({ json }: Json, command: Command) => {
      const config = configOf(command);
      const { runStatus } = await import("../server/status.js");
      await runStatus({ config, environment, json, print });
    });
}

interface SimulateFlags extends Json {
  readonly data?: string;
  readonly threads?: number;
  readonly participantColumn: string;
  readonly itemColumn: string;
  readonly ratingColumn: string;
  readonly participants?: number;
  readonly seed?: number;
  readonly out?: string;
}

function addSimulate(program: Command, { signal, print }: Surroundings): void {
  program
    .command("simulate")
    .description(
      "run a plan with simulated participants on this machine: virtual devices as its section simulation says, or your own ratings",
    )
    .argument("<plan>", "plan file")
    .option("--data <file>", "ratings as CSV, may be gzipped, for real processes over gRPC", someText)
    .option("--participant-column <name>", "column that names the participant", someText, "participant")
    .option("--item-column <name>", "column that names what is rated", someText, "item")
    .option("--rating-column <name>", "column with the rating", someText, "rating")
    .option("--participants <n>", "how many take part at most", wholeNumber(1))
    .option("--seed <n>", "of all that virtual devices draw; with --data it chooses who refuses", wholeNumber(0))
    .option(
      "--threads <n>",
      "of virtual devices; the machine's cores unless given, and no result depends on it",
      wholeNumber(1),
    )
    .option("--out <dir>", "folder for the model and what else comes out", someText)
    .addOption(jsonOption("print one JSON object as the last line"))
    .action(async (plan: string, flags: SimulateFlags) => {
      const { participantColumn: participant, itemColumn: item, ratingColumn: rating, ...rest } = flags;
      const { runSimulate } = await import("../simulation/simulate.js");
      await runSimulate({ plan, columns: { participant, item, rating }, ...rest, signal, print });
    });
}

interface DemoFlags extends Json {
  readonly rounds?: number;
  readonly epsilon?: number;
  readonly participants?: number;
  readonly seed?: number;
  readonly data?: string;
  readonly out?: string;
  readonly dp: boolean;
  readonly reason?: string;
}

function addDemo(program: Command, { signal, print }: Surroundings): void {
  program
    .command("demo")
    .description("train a model on 2 972 people's lecture ratings, each on a device of its own, and audit it")
    .option("--rounds <n>", "training rounds", wholeNumber(1))
    .option("--epsilon <e>", "privacy budget of each participant for everything", positiveNumber)
    .option("--participants <n>", "how many people take part", wholeNumber(1))
    .option("--seed <n>", "chooses who refuses", wholeNumber(0))
    .option("--data <dir>", "folder with insteval.csv.gz", someText)
    .option("--out <dir>", "folder for model, bundle and database", someText)
    .option("--no-dp", "train without noise; demands --reason")
    .option("--reason <text>", "why without noise; the ledger records it", someText)
    .addOption(jsonOption("print one JSON object as the last line"))
    .action(async (flags: DemoFlags) => {
      const { runDemo } = await import("../simulation/demo.js");
      await runDemo({ ...flags, signal, print });
    });
}

function addPlan(program: Command, surroundings: Surroundings, fail: (exitCode: ExitCode) => void): void {
  program
    .command("plan")
    .description("look at plans")
    .command("validate")
    .description("check plans as the coordinator will read them, and say what they will cost")
    .argument("[files...]", "plan files; without any, those of the configuration")
    .addOption(jsonOption())
    .action(async (files: string[], { json }: Json, command: Command) => {
      const config = configOf(command);
      const { validatePlans } = await import("./plan-validate.js");
      if (!(await validatePlans({ files, config, json }, surroundings))) fail(3);
    });
}

function addAuditBundle(program: Command, surroundings: Surroundings): void {
  program
    .command("audit-bundle")
    .description("what auditors get")
    .command("export")
    .description("write one file with which fedloop-audit checks the whole log offline")
    .requiredOption("--out <file>", "the file to write", someText)
    .addOption(jsonOption())
    .action(async ({ out, json }: Json & { out: string }, command: Command) => {
      const config = configOf(command);
      const { exportAuditBundle } = await import("./audit-bundle.js");
      await exportAuditBundle({ config, out, json }, surroundings);
    });
}

function addBudget(program: Command, surroundings: Surroundings): void {
  program
    .command("budget")
    .description("say what each population has spent, reserved and left, and what its next round will cost")
    .option("--participants", "list each participant", false)
    .addOption(jsonOption())
    .action(async ({ participants, json }: Json & { participants: boolean }, command: Command) => {
      const config = configOf(command);
      const { printBudgets } = await import("./budget.js");
      await printBudgets({ config, participants, json }, surroundings);
    });
}

const ACCOUNTANTS = ["rdp", "pld", "zcdp"] as const;
const RELATIONS = ["add-or-remove-one", "replace-one", "replace-special"] as const;

interface AccountingFlags extends Json {
  readonly event: string;
  readonly delta: number;
  readonly accountant: (typeof ACCOUNTANTS)[number];
  readonly relation?: (typeof RELATIONS)[number];
}

function accountingCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .requiredOption("--event <file>", "the event as JSON; - for standard input", someText)
    .requiredOption("--delta <d>", "from 1e-12 to below 1", positiveNumber)
    .addOption(new Option("--accountant <name>", "how it is added up").choices(ACCOUNTANTS).default("rdp"))
    .addOption(new Option("--relation <name>", "who counts as a neighbour").choices(RELATIONS))
    .addOption(jsonOption());
}

function addAccounting(program: Command, surroundings: Surroundings): void {
  accountingCommand(program, "epsilon", "say what a mechanism event costs").action(async (flags: AccountingFlags) => {
    const { printEpsilon } = await import("./epsilon.js");
    await printEpsilon(flags, surroundings);
  });
  accountingCommand(program, "calibrate", 'find the least noise that keeps an event (its noiseMultiplier "z") within ε')
    .requiredOption("--epsilon <e>", "what the event may cost at most", positiveNumber)
    .action(async (flags: AccountingFlags & { epsilon: number }) => {
      const { printCalibration } = await import("./calibrate.js");
      await printCalibration(flags, surroundings);
    });
}

function addVault(program: Command, surroundings: Surroundings): void {
  const vault = program.command("vault").description("the participants' keys");
  const add = (name: string, description: string, run: (module: VaultModule) => VaultModule["vaultStatus"]): void => {
    vault
      .command(name)
      .description(description)
      .addOption(jsonOption())
      .action(async ({ json }: Json, command: Command) => {
        const config = configOf(command);
        await run(await import("./vault.js"))({ config, json }, surroundings);
      });
  };
  add("status", "say how many participants have a key, and under which key-encryption key", (it) => it.vaultStatus);
  add(
    "rotate-key",
    "replace the key-encryption key, or complete a replacement that was interrupted; a coordinator may run meanwhile",
    (it) => it.rotateVaultKey,
  );
  add("subjects", "print the pseudonyms that still have a key, for an auditor's trust file", (it) => it.vaultSubjects);
}

interface WitnessFlags extends Json {
  readonly name: string;
  readonly data: string;
  readonly listen: string;
  readonly log: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

function addWitness(program: Command, { signal, print }: Surroundings): void {
  program
    .command("witness")
    .description("run a witness: cosign the checkpoints of logs as long as they only grow (C2SP tlog-witness)")
    .requiredOption("--name <name>", "the witness's own name, as in witness.example.org", someText)
    .requiredOption("--log <vkey...>", "verifier keys of the logs to watch", collected)
    .option("--data <dir>", "folder of its key and of what it has cosigned", someText, "fedloop-witness")
    .option("--listen <host:port>", "where to listen; off loopback only with a certificate", someText, "127.0.0.1:7481")
    .option("--tls-cert <file>", "certificate chain, PEM", someText)
    .option("--tls-key <file>", "its private key, PEM", someText)
    .addOption(jsonOption("print one JSON object when it listens"))
    .action(async ({ name, data, listen, log: logs, tlsCert, tlsKey, json }: WitnessFlags) => {
      if ((tlsCert === undefined) !== (tlsKey === undefined))
        throw new CoordinatorError("USAGE", "expected --tls-cert and --tls-key together, came one of them");
      const tls = tlsCert === undefined || tlsKey === undefined ? null : { cert: tlsCert, key: tlsKey };
      const { parseListen } = await import("../config/listen.js");
      const { runWitness } = await import("../server/witness.js");
      await runWitness({
        name,
        dataDir: data,
        listen: parseListen(listen, "--listen"),
        logs,
        tls,
        json,
        signal,
        print,
      });
    });
}

function collected(written: string, before: readonly string[] = []): readonly string[] {
  return [...before, someText(written)];
}

type VaultModule = typeof import("./vault.js");

function exitCodesText(): string {
  const lines = Object.entries(EXIT_CODES).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`);
  return `\nExit codes:\n${lines.join("\n")}\n`;
}

/** Settings that commander does not hand down to commands within commands. */
function forAll(command: Command, configure: (command: Command) => void): void {
  configure(command);
  for (const inner of command.commands) forAll(inner, configure);
}

/** Builds the command. `fail` sets the exit code of a command that ends well but has bad news. */
export function fedloopProgram(surroundings: Surroundings, fail: (exitCode: ExitCode) => void): Command {
  const program = new Command("fedloop")
    .description("Privacy-first federated learning: the device verifies, then takes part.")
    .option("--config <file>", "configuration of the coordinator", someText, DEFAULT_CONFIG)
    .addHelpText("after", exitCodesText());
  addInit(program, surroundings);
  addServe(program, surroundings);
  addStatus(program, surroundings);
  addSimulate(program, surroundings);
  addDemo(program, surroundings);
  addPlan(program, surroundings, fail);
  addAuditBundle(program, surroundings);
  addAccounting(program, surroundings);
  addBudget(program, surroundings);
  addAnalytics(program, surroundings, fail);
  addExperiments(program, surroundings);
  addJournal(program, surroundings, fail);
  addVault(program, surroundings);
  addWitness(program, surroundings);
  addTokens(program, surroundings);
  addInvitations(program, surroundings);
  addPopulations(program, surroundings);
  addModels(program, surroundings);
  addBackup(program, surroundings);
  addWebhooks(program, surroundings);
  forAll(program, (command) => {
    command.exitOverride();
    // What is wrong is told once, by runFedloop, in the form of all other errors.
    command.configureOutput({ writeOut: surroundings.print, writeErr: () => undefined, outputError: () => undefined });
  });
  return program;
}

/**
 * Runs one command line. Never throws, never prints a stack: an error is one line on standard error, "error CODE:
 * sentence", or with --json one JSON object, and an exit code.
 *
 * @param words after the command's own name
 */
export async function runFedloop(words: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = fedloopProgram(surroundings, (code) => {
    exitCode = code;
  });
  try {
    if (words.length === 0) throw new CoordinatorError("USAGE", "expected a command, came none; see fedloop --help");
    await program.parseAsync(words, { from: "user" });
    return exitCode;
  } catch (cause) {
    if (cause instanceof CommanderError && cause.exitCode === 0) return 0;
    // It knows the errors of all packages, which most commands have no other use for.
    const { failureOf } = await import("./failure.js");
    const failure = failureOf(cause, surroundings.signal);
    const { code, message } = failure;
    const json = words.includes("--json");
    surroundings.complain(json ? `${JSON.stringify({ error: { code, message } })}\n` : `error ${code}: ${message}\n`);
    return failure.exitCode;
  }
}
