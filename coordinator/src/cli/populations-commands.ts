import type { Command } from "commander";
import { configOf, type Json, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

/** `fedloop populations …`: which of them begin rounds. */
export function addPopulations(program: Command, surroundings: Surroundings): void {
  const populations = program
    .command("populations")
    .description("which populations begin rounds, and which are paused");
  populations
    .command("list")
    .description("say of each whether it is paused, and why, whether the coordinator runs or not")
    .addOption(jsonOption())
    .action(async (flags: Json, command: Command) => {
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
      .addOption(jsonOption())
      .action(async (population: string, flags: Json, command: Command) => {
        const { turnPopulation } = await import("./populations.js");
        await turnPopulation({ config: configOf(command), json: flags.json }, turn, population, surroundings);
      });
  }
}
