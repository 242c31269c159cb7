import { type Command, InvalidArgumentError, Option } from "commander";
import { someText, wholeNumber } from "./arguments.js";
import { configOf, type Json, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

function percent(written: string): number {
  const value = Number(written);
  if (/^\d{1,3}(\.\d{1,2})?$/.test(written) && value >= 0.01 && value <= 100) return value;
  throw new InvalidArgumentError("Expected a percentage from 0.01 to 100, with at most two decimals.");
}

/** A command about one model. */
function aboutModel(models: Command, name: string, description: string): Command {
  return models
    .command(name)
    .description(description)
    .argument("<population>", "its population")
    .argument("<round>", "the round that made it", wholeNumber(1))
    .addOption(jsonOption());
}

/** `fedloop models …`: what rounds have released, and which devices get. */
export function addModels(program: Command, surroundings: Surroundings): void {
  const models = program.command("models").description("released models: where they come from, and who gets them");
  models
    .command("list")
    .description("list the models and their stages, whether the coordinator runs or not")
    .argument("[population]", "one population; all unless given")
    .addOption(jsonOption())
    .action(async (population: string | undefined, flags: Json, command: Command) => {
      const { listModels } = await import("./models.js");
      await listModels({ config: configOf(command), json: flags.json }, population, surroundings);
    });
  aboutModel(models, "show", "show a model with its lineage back to the plan").action(
    async (population: string, round: number, flags: Json, command: Command) => {
      const { showModel } = await import("./models.js");
      await showModel({ config: configOf(command), json: flags.json }, { population, round }, surroundings);
    },
  );
  aboutModel(models, "promote", "give a model to all devices, or to some of them first")
    .option("--canary <percent>", "only for this part of the devices", percent)
    .action(async (population: string, round: number, flags: Json & { canary?: number }, command: Command) => {
      const { promoteModel } = await import("./models.js");
      const options = { config: configOf(command), json: flags.json };
      await promoteModel(options, { population, round }, flags.canary, surroundings);
    });
  aboutModel(models, "rollback", "take a canary or the live model away; the live model before it is live again").action(
    async (population: string, round: number, flags: Json, command: Command) => {
      const { rollBackModel } = await import("./models.js");
      await rollBackModel({ config: configOf(command), json: flags.json }, { population, round }, surroundings);
    },
  );
  aboutModel(models, "export", "write a model for other tools")
    .requiredOption("--out <path>", "file to write, or folder for tfjs", someText)
    .addOption(
      new Option("--format <format>", "safetensors, or the layers format of TensorFlow.js")
        .choices(["safetensors", "tfjs"])
        .default("safetensors"),
    )
    .option("--topology <file>", "for tfjs: the layers, as model.toJSON() gives them", someText)
    .action(
      async (
        population: string,
        round: number,
        { json, ...how }: Json & { format: "safetensors" | "tfjs"; out: string; topology?: string },
        command: Command,
      ) => {
        const { exportModel } = await import("./models.js");
        await exportModel({ config: configOf(command), json }, { population, round }, how, surroundings);
      },
    );
}
