/** `fedloop experiments` and `fedloop power`: what can be typed. */
import { type Command, InvalidArgumentError } from "commander";
import { positiveNumber, someText } from "./arguments.js";
import type { ExperimentOptions, PowerOptions } from "./experiments.js";
import { configOf, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

interface Flags {
  readonly population?: string;
  readonly alpha?: number;
  readonly priorSd?: number;
  readonly json: boolean;
}

function aNumber(written: string): number {
  const value = Number(written);
  if (/^[-0-9.eE+]{1,30}$/.test(written) && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number.");
}

export function addExperiments(program: Command, surroundings: Surroundings): void {
  const experiments = program.command("experiments").description("what experiments have shown");
  const add = (name: string, description: string): Command =>
    experiments
      .command(name)
      .description(description)
      .option("--population <name>", "of one population only", someText)
      .option("--alpha <a>", "error rate of tests, 0.05 unless given", positiveNumber)
      .option("--prior-sd <s>", "prior standard deviation of true differences, in the outcome's unit", positiveNumber)
      .addOption(jsonOption());
  const optionsOf = ({ population, alpha, priorSd, json }: Flags, command: Command): ExperimentOptions => ({
    config: configOf(command),
    population: population ?? null,
    json,
    ...(alpha === undefined ? {} : { alpha }),
    ...(priorSd === undefined ? {} : { priorStdDev: priorSd }),
  });
  add("list", "list the experiments with a verdict each").action(async (flags: Flags, command: Command) => {
    const { listExperiments } = await import("./experiments.js");
    await listExperiments(optionsOf(flags, command), surroundings);
  });
  add("show", "show an experiment: counts, sample ratio, and each arm against the first by three analyses")
    .argument("<name>", "the query's name in its plan", someText)
    .action(async (name: string, flags: Flags, command: Command) => {
      const { showExperiment } = await import("./experiments.js");
      await showExperiment(name, optionsOf(flags, command), surroundings);
    });
  program
    .command("power")
    .description("say how many participants an experiment needs to find a difference, noise included")
    .requiredOption("--baseline <m>", "mean outcome of the control arm", aNumber)
    .requiredOption("--effect <d>", "least difference that matters", aNumber)
    .option("--lower <l>", "bounds of the outcome", aNumber, 0)
    .option("--upper <u>", "bounds of the outcome", aNumber, 1)
    .option("--outcome-std-dev <s>", "of one participant's outcome; that of a yes or no unless given", positiveNumber)
    .option("--epsilon <e>", "what the experiment's query may cost; without it there is no noise", positiveNumber)
    .option("--delta <d>", "goes with epsilon", positiveNumber, 1e-6)
    .option(
      "--guaranteed <f>",
      "part of the devices whose noise is counted on; 1 where the coordinator adds it",
      positiveNumber,
      0.8,
    )
    .option("--alpha <a>", "chance to see a difference where there is none", positiveNumber, 0.05)
    .option("--power <p>", "chance to see the difference", positiveNumber, 0.8)
    .addOption(jsonOption())
    .action(async (options: PowerOptions) => {
      const { printPower } = await import("./experiments.js");
      printPower(options, surroundings);
    });
}
