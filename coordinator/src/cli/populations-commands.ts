import { type Command, Option } from "commander";
import type { Surroundings } from "./surroundings.js";

interface Flags {
  readonly json: boolean;
}

function json(): Option {
  return new Option("--json", "print one JSON object").default(false, "text for people");
}

function configOf(command: Command): string {
  return command.optsWithGlobals<{ config: string }>().config;
}

/** `fedloop populations …`: which of them begin rounds. */
export function addPopulations(program: Command, surroundings: Surroundings): void {
  const populations = program
    .command("populations")
    .description("which populations begin rounds, and which are paused");
  populations
    .command("list")
    .description("say of each whether it is paused, and why, whether the coordinator runs or not")
    .addOption(json())
    .action(async (flags: Flags, command: Command) => {
      const { listPopulations } = await import("./populations.js");
      await listPopulations({ config: configOf(command), json: flags.json }, surroundings);
    });
  const turns = {
    pause: "begin no more rounds; the one under way ends",
    resume: "begin rounds again, also after a pause that followed abandoned rounds",
  } as const;
  for (const turn of ["pause", "resume"] as const) {
    populations
      .command(turn)
      .description(turns[turn])
      .argument("<population>", "its name in the plan")
      .addOption(json())
      .action(async (population: string, flags: Flags, command: Command) => {
        const { turnPopulation } = await import("./populations.js");
        await turnPopulation({ config: configOf(command), json: flags.json }, turn, population, surroundings);
      });
  }
}
