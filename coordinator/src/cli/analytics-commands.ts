/** `fedloop analytics`: what can be typed about answered queries. */
import type { Command } from "commander";
import { someText } from "./arguments.js";
import type { ExitCode } from "./exit-codes.js";
import { configOf, type Json, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

interface Flags extends Json {
  readonly population?: string;
}

/** `fedloop journal`: releases, and every number of them once more. */
export function addJournal(program: Command, surroundings: Surroundings, fail: (exitCode: ExitCode) => void): void {
  program
    .command("journal")
    .description("list what was released and what it cost, and compute every number of it again")
    .option("--population <name>", "of one population only", someText)
    .addOption(jsonOption())
    .action(async ({ population, json }: Flags, command: Command) => {
      const { printJournal } = await import("./journal.js");
      if (!(await printJournal({ config: configOf(command), population: population ?? null, json }, surroundings)))
        fail(4);
    });
}

export function addAnalytics(program: Command, surroundings: Surroundings, fail: (exitCode: ExitCode) => void): void {
  const analytics = program.command("analytics").description("what federated queries have answered");
  const add = (name: string, description: string): Command =>
    analytics
      .command(name)
      .description(description)
      .option("--population <name>", "of one population only", someText)
      .addOption(jsonOption());
  const optionsOf = (flags: Flags, command: Command) => ({
    config: configOf(command),
    population: flags.population ?? null,
    json: flags.json,
  });
  add("list", "list the queries that have been answered").action(async (flags: Flags, command: Command) => {
    const { listAnswers } = await import("./analytics.js");
    await listAnswers(optionsOf(flags, command), surroundings);
  });
  add("show", "show the newest answer to a query, with noise variance and 95 % interval of each number")
    .argument("<name>", "the query's name in its plan", someText)
    .action(async (name: string, flags: Flags, command: Command) => {
      const { showAnswer } = await import("./analytics.js");
      await showAnswer(name, optionsOf(flags, command), surroundings);
    });
  add("drift", "compare each turn of a histogram with the one that the last drift was found at").action(
    async (flags: Flags, command: Command) => {
      const { showDrift } = await import("./analytics.js");
      await showDrift(optionsOf(flags, command), surroundings);
    },
  );
  add("replay", "compute every answer again from its noised sum and say whether it comes out the same").action(
    async (flags: Flags, command: Command) => {
      const { replayAnswers } = await import("./analytics.js");
      if (!(await replayAnswers(optionsOf(flags, command), surroundings))) fail(4);
    },
  );
}
