import { participantsFor } from "@fedloop/privacy/experiments";
import {
  type ArmAnalysis,
  type ExperimentAnalysis,
  type ExperimentArm,
  experimentAnalyses,
} from "../analytics/experiments.js";
import { plannedTurns } from "../analytics/planned-turns.js";
import { answeredQueries } from "../analytics/results.js";
import { CoordinatorError } from "../errors.js";
import type { AnalyticsOptions } from "./analytics.js";
import { openReading } from "./reading.js";
import type { Surroundings } from "./surroundings.js";

export interface ExperimentOptions extends AnalyticsOptions {
  readonly alpha?: number;
  readonly priorStdDev?: number;
}

async function analyses(
  { config, population, alpha, priorStdDev }: ExperimentOptions,
  { environment }: Pick<Surroundings, "environment">,
): Promise<readonly ExperimentAnalysis[]> {
  await using reading = await openReading(config, environment);
  const answers = await answeredQueries(reading, population ?? undefined);
  return experimentAnalyses(answers, {
    plannedLooks: await plannedTurns(reading.store),
    ...(alpha === undefined ? {} : { alpha }),
    ...(priorStdDev === undefined ? {} : { priorStdDev }),
  });
}

function number(value: number): string {
  return Math.abs(value) >= 1e6 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}

function verdict({ sampleRatio, analyses }: ExperimentAnalysis): string {
  if (sampleRatio.isMismatch) return "SAMPLE RATIO MISMATCH: do not trust it before the cause is found";
  const decided = analyses.filter(({ analysis }) => analysis?.sequential.isDecided === true);
  if (decided.length === 0) return "no difference shown yet";
  return decided
    .map(({ arm, analysis }) => `${arm} is ${(analysis?.sequential.value ?? 0) > 0 ? "higher" : "lower"}`)
    .join(", ");
}

/** Lists the experiments with a verdict each. */
export async function listExperiments(options: ExperimentOptions, surroundings: Surroundings): Promise<void> {
  const all = await analyses(options, surroundings);
  if (options.json) {
    const experiments = all.map((one) => ({
      population: one.population,
      name: one.name,
      looks: one.looks,
      arms: one.arms.map(({ arm }) => arm),
      isMismatch: one.sampleRatio.isMismatch,
      isDecided: one.analyses.some(({ analysis }) => analysis?.sequential.isDecided === true),
      verdict: verdict(one),
      epsilon: one.epsilon,
      delta: one.delta,
    }));
    surroundings.print(`${JSON.stringify({ experiments })}\n`);
    return;
  }
  if (all.length === 0) surroundings.print("no experiment has been answered yet\n");
  for (const one of all) {
    surroundings.print(
      `${one.population}  ${one.name}  ${one.looks} looks, ε ${one.epsilon} so far: ${verdict(one)}\n`,
    );
  }
}

function analysisText({ difference, frequentist, bayesian, sequential }: ArmAnalysis): string {
  const share = Math.round((100 * difference.noiseVariance) / difference.variance);
  const range = ([low, high]: readonly [number, number]): string => `${number(low)} to ${number(high)}`;
  return (
    `  ${difference.arm} less ${difference.control}: ${number(difference.value)}, ${share} % of the variance is noise\n` +
    `    one planned look  ${range(frequentist.interval)}, p ${number(frequentist.pValue)}\n` +
    `    at any look       ${range(sequential.interval)}, p ${number(sequential.pValue)}${sequential.isDecided ? ", decided" : ""}\n` +
    `    Bayesian          ${range(bayesian.interval)}, better with ${number(bayesian.probabilityBetter)}, expected loss ${number(bayesian.expectedLoss)}\n`
  );
}

/** Shows one experiment: counts, sample ratio, and every arm against the control, by three analyses. */
export async function showExperiment(
  name: string,
  options: ExperimentOptions,
  surroundings: Surroundings,
): Promise<void> {
  const all = await analyses(options, surroundings);
  const found = all.filter((one) => one.name === name);
  if (found.length === 0) {
    const known = all.map((one) => one.name).join(", ");
    throw new CoordinatorError(
      "USAGE",
      `expected the name of an experiment with an answer${known === "" ? "; none has been answered yet" : `: ${known}`}`,
    );
  }
  if (options.json) {
    surroundings.print(`${JSON.stringify({ experiments: found })}\n`);
    return;
  }
  for (const one of found) {
    surroundings.print(
      `${one.population}: ${one.name}, ${one.looks} looks, ε ${one.epsilon} at δ ${one.delta}: ${verdict(one)}\n`,
    );
    for (const each of one.arms) surroundings.print(`  ${each.arm.padEnd(16)}${armText(each, one)}\n`);
    surroundings.print(`  sample ratio    p ${number(one.sampleRatio.pValue)}\n`);
    for (const { arm, analysis } of one.analyses) {
      surroundings.print(analysis === null ? `  ${arm}: nothing to compare\n` : analysisText(analysis));
    }
    surroundings.print(needsText(one));
  }
}

/** Why an arm has no mean, where it has none: the noise is told beside the people who came. */
function armText({ count, mean }: ExperimentArm, { noiseStdDev, fewestToTell }: ExperimentAnalysis): string {
  if (mean !== null) return `${Math.round(mean.count)} devices, mean ${number(mean.mean)}`;
  const came = count === null ? "fewer devices than may be told" : `about ${Math.round(count)} devices`;
  return `${came}: a mean takes more than ${number(fewestToTell)}, since the noise is ±${number(noiseStdDev)}`;
}

function needsText({ needs, delta }: ExperimentAnalysis): string {
  const lines = needs.map(({ effect, participantsPerArm, epsilon }) => {
    const instead = epsilon === null ? "no ε would do" : `ε ${number(epsilon)} at δ ${delta}`;
    return `    a difference of ${number(effect)}: ${participantsPerArm} devices an arm; with as many as now ${instead}\n`;
  });
  return `  what it takes to see, with a chance of 80 % in one release\n${lines.join("")}`;
}

export interface PowerOptions {
  readonly baseline: number;
  readonly effect: number;
  readonly lower: number;
  readonly upper: number;
  readonly outcomeStdDev?: number;
  readonly epsilon?: number;
  readonly delta: number;
  readonly guaranteed: number;
  readonly alpha: number;
  readonly power: number;
  readonly json: boolean;
}

/** Says how many participants an experiment needs, noise included. */
export function printPower(options: PowerOptions, { print }: Pick<Surroundings, "print">): void {
  const { epsilon, delta, outcomeStdDev, guaranteed, json, ...planned } = options;
  const answer = participantsFor({
    ...planned,
    guaranteedFraction: guaranteed,
    ...(outcomeStdDev === undefined ? {} : { outcomeVariance: outcomeStdDev ** 2 }),
    ...(epsilon === undefined ? {} : { privacy: { epsilon, delta } }),
  });
  if (json) {
    print(`${JSON.stringify(answer)}\n`);
    return;
  }
  print(
    `${answer.participantsPerArm} participants in each arm find a difference of ${options.effect} with a chance of ${number(answer.power)}\n`,
  );
  if (epsilon !== undefined) {
    print(
      `  noise of ±${number(answer.noiseStdDev)} participants on each sum; ${number(answer.costOfPrivacy)} times as many as without\n`,
    );
  }
}
