import type { Command } from "commander";
import { someText } from "./arguments.js";
import { configOf, type Json, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

/** `fedloop backup` and `fedloop restore`. */
export function addBackup(program: Command, surroundings: Surroundings): void {
  program
    .command("backup")
    .description("write log, database, keys and models into one file, also while the coordinator runs")
    .requiredOption("--out <file>", "the file to write; it holds keys: keep it as secret as them", someText)
    .addOption(jsonOption())
    .action(async ({ out, json }: Json & { out: string }, command: Command) => {
      const { backUp } = await import("./backup.js");
      await backUp({ config: configOf(command), json }, out, surroundings);
    });
  program
    .command("restore")
    .description(
      "put a backup where the configuration says that the data are, after checking it against what was published",
    )
    .argument("<file>", "what fedloop backup wrote")
    .option("--published <checkpoint>", "a checkpoint file of this log, as a mirror or an auditor has it", someText)
    .addOption(jsonOption())
    .action(async (file: string, { json, published }: Json & { published?: string }, command: Command) => {
      const { restore } = await import("./backup.js");
      await restore({ config: configOf(command), json }, file, published, surroundings);
    });
}
