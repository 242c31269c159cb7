// What experiments have shown so far, from their released sums.
import {
  type ArmMean,
  armMean,
  compareRates,
  confidenceSequence,
  type Difference,
  difference,
  type FixedTest,
  fixedTest,
  normalPosterior,
  type Posterior,
  pooled,
  type ReleasedExperiment,
  ratePosterior,
  type SampleRatio,
  type SequentialTest,
  sampleRatio,
} from "@fedloop/privacy/experiments";
import type { AnsweredQuery } from "./results.js";

/** An arm against the first, the control. */
export interface ArmAnalysis {
  readonly difference: Difference;
  readonly frequentist: FixedTest;
  readonly bayesian: Posterior;
  /** Valid however often one looks. */
  readonly sequential: SequentialTest;
}

/** An experiment: all its releases together. */
export interface ExperimentAnalysis {
  readonly population: string;
  readonly name: string;
  /** Releases so far. */
  readonly looks: number;
  /** Null for an arm of too few participants to tell. */
  readonly arms: readonly { readonly arm: string; readonly mean: ArmMean | null }[];
  readonly sampleRatio: SampleRatio;
  /** Null where an arm has too few participants. */
  readonly analyses: readonly { readonly arm: string; readonly analysis: ArmAnalysis | null }[];
  readonly epsilon: string;
  readonly delta: string;
}

/** Prior standard deviation of true effects, as a part of the outcome's range, where none is told. */
const DEFAULT_PRIOR_SHARE = 0.1;

export interface AnalysisOptions {
  /** Error rate of tests and of the sequence. */
  readonly alpha?: number;
  /** How often a population's plan asks a query: what the sequence is tightest for, whatever has come so far. */
  readonly plannedLooks: (population: string, name: string) => number;
  /** Standard deviation of true differences around 0, in the outcome's unit. */
  readonly priorStdDev?: number;
}

/** Every experiment among the answers, in the order of their first release. */
export function experimentAnalyses(
  answers: readonly AnsweredQuery[],
  options: AnalysisOptions,
): readonly ExperimentAnalysis[] {
  const groups = new Map<string, AnsweredQuery[]>();
  for (const answer of answers) {
    if (answer.query.kind !== "experiment") continue;
    const key = JSON.stringify([answer.population, answer.name]);
    groups.set(key, [...(groups.get(key) ?? []), answer]);
  }
  return [...groups.values()].flatMap((group) => analysisOf(group, options) ?? []);
}

function analysisOf(answers: readonly AnsweredQuery[], options: AnalysisOptions): ExperimentAnalysis | undefined {
  const looks = answers.flatMap(({ query, result }): ReleasedExperiment[] =>
    query.kind === "experiment" && result.arms !== undefined
      ? [{ arms: result.arms, lower: query.lower, upper: query.upper, noiseVariance: result.noiseVariance }]
      : [],
  );
  const last = answers.at(-1);
  const all = pooled(looks);
  if (last === undefined || all === null) return undefined;
  const counts = all.arms.map(({ sums }) => sums[0]);
  const arms = all.arms.map((moments) => ({ arm: moments.arm, mean: armMean(moments, all) }));
  return {
    population: last.population,
    name: last.name,
    looks: looks.length,
    arms,
    // Devices are assigned by a hash of their own secret, evenly.
    sampleRatio: sampleRatio(
      counts,
      counts.map(() => 1 / counts.length),
      all.noiseVariance,
    ),
    analyses: arms.slice(1).map(({ arm }, at) => ({
      arm,
      analysis: against(looks, all, at + 1, { ...options, looks: options.plannedLooks(last.population, last.name) }),
    })),
    epsilon: last.epsilon,
    delta: last.delta,
  };
}

function differenceIn(release: ReleasedExperiment, at: number): Difference | null {
  const [first] = release.arms;
  const other = release.arms[at];
  if (first === undefined || other === undefined) return null;
  const control = armMean(first, release);
  const arm = armMean(other, release);
  return control === null || arm === null ? null : difference(control, arm);
}

function against(
  looks: readonly ReleasedExperiment[],
  all: ReleasedExperiment,
  at: number,
  {
    alpha = 0.05,
    looks: plannedLooks,
    priorStdDev,
  }: Omit<AnalysisOptions, "plannedLooks"> & { readonly looks: number },
): ArmAnalysis | null {
  const found = differenceIn(all, at);
  if (found === null) return null;
  const each = looks.flatMap((look) => differenceIn(look, at) ?? []);
  const prior = priorStdDev ?? DEFAULT_PRIOR_SHARE * (all.upper - all.lower);
  return {
    difference: found,
    frequentist: fixedTest(found, alpha),
    bayesian: isRate(all) && priorStdDev === undefined ? betaOf(all, at) : normalPosterior(found, prior),
    sequential: confidenceSequence(each, { alpha, plannedLooks }),
  };
}

/** An outcome from 0 to 1 that is always one of the two: its scaled squares are all 1, as far as noise lets see. */
function isRate({ arms, lower, upper, noiseVariance }: ReleasedExperiment): boolean {
  if (lower !== 0 || upper !== 1) return false;
  return arms.every(
    ({ sums: [count, , squared] }) => Math.abs(count - squared) < 4 * Math.sqrt(2 * noiseVariance) + 1e-6,
  );
}

function betaOf({ arms, noiseVariance }: ReleasedExperiment, at: number): Posterior {
  const [control, arm] = [arms[0], arms[at]].map((moments) =>
    ratePosterior(moments ?? { sums: [0, 0, 0] }, noiseVariance),
  );
  if (control === undefined || arm === undefined) throw new RangeError("expected two arms");
  return compareRates(control, arm);
}
