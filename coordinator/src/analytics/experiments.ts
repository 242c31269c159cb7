// What experiments have shown so far, from their released sums.
import {
  type ArmMean,
  armMean,
  compareRates,
  confidenceSequence,
  type Difference,
  difference,
  type FixedTest,
  fewestToTell,
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
import { type ExperimentNeed, experimentNeeds } from "./experiment-needs.js";
import type { AnsweredQuery } from "./results.js";

/** The interval that holds at all looks, as it stood after one of them. */
export interface ExperimentLook {
  readonly turn: number;
  /** Index of the turn's release in the log. */
  readonly journal: number;
  readonly value: number;
  readonly interval: readonly [number, number];
}

/** An arm against the first, the control. */
export interface ArmAnalysis {
  readonly difference: Difference;
  readonly frequentist: FixedTest;
  readonly bayesian: Posterior;
  /** Valid however often one looks. */
  readonly sequential: SequentialTest;
  /** How it came to that: one for each look that could be compared. */
  readonly looks: readonly ExperimentLook[];
}

/** An experiment: all its releases together. */
export interface ExperimentAnalysis {
  readonly population: string;
  readonly name: string;
  /** Releases so far. */
  readonly looks: number;
  /** Their indices in the log, by which the release journal names them. */
  readonly journal: readonly number[];
  /** Bounds of the outcome. */
  readonly lower: number;
  readonly upper: number;
  /** Standard deviation of the noise on each count, all releases together. */
  readonly noiseStdDev: number;
  /** An arm of no more participants than this is not told from an empty one. */
  readonly fewestToTell: number;
  readonly arms: readonly ExperimentArm[];
  readonly sampleRatio: SampleRatio;
  /** Null where an arm has too few participants. */
  readonly analyses: readonly { readonly arm: string; readonly analysis: ArmAnalysis | null }[];
  /** What it would take to see differences. */
  readonly needs: readonly ExperimentNeed[];
  readonly epsilon: string;
  readonly delta: string;
}

export interface ExperimentArm {
  readonly arm: string;
  /** Participants, noised; null where they are fewer than the query lets be told. */
  readonly count: number | null;
  /** Null for an arm of too few participants to tell. */
  readonly mean: ArmMean | null;
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

/** A turn of an experiment with what it released. */
interface Look extends ReleasedExperiment {
  readonly turn: number;
  readonly journal: number;
}

function analysisOf(answers: readonly AnsweredQuery[], options: AnalysisOptions): ExperimentAnalysis | undefined {
  const looks = answers.flatMap(({ query, turn, journal, result: { arms, noiseVariance } }): Look[] =>
    query.kind === "experiment" && arms !== undefined
      ? [{ turn, journal, arms, lower: query.lower, upper: query.upper, noiseVariance }]
      : [],
  );
  const last = answers.at(-1);
  const all = pooled(looks);
  if (last === undefined || all === null) return undefined;
  const counts = all.arms.map(({ sums }) => sums[0]);
  const arms = all.arms.map((moments, at): ExperimentArm => {
    const count = counts[at] ?? 0;
    return {
      arm: moments.arm,
      count: count < last.query.minimumDevices ? null : count,
      mean: armMean(moments, all),
    };
  });
  const { lower, upper } = all;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    population: last.population,
    name: last.name,
    looks: looks.length,
    journal: looks.map(({ journal }) => journal),
    lower,
    upper,
    noiseStdDev: Math.sqrt(all.noiseVariance),
    fewestToTell: fewestToTell(all.noiseVariance),
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
    needs: experimentNeeds(
      {
        lower,
        upper,
        noiseStdDev: Math.sqrt(last.result.noiseVariance),
        epsilon: last.ownEpsilon === "unbounded" ? Number.POSITIVE_INFINITY : Number(last.ownEpsilon),
        delta: Number(last.delta),
      },
      Math.max(total / counts.length / looks.length, 0),
    ),
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
  looks: readonly Look[],
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
  const compared = looks.flatMap((look) => {
    const found = differenceIn(look, at);
    return found === null ? [] : [{ turn: look.turn, journal: look.journal, ...found }];
  });
  const prior = priorStdDev ?? DEFAULT_PRIOR_SHARE * (all.upper - all.lower);
  return {
    difference: found,
    frequentist: fixedTest(found, alpha),
    bayesian: isRate(all) && priorStdDev === undefined ? betaOf(all, at) : normalPosterior(found, prior),
    sequential: confidenceSequence(compared, { alpha, plannedLooks }),
    looks: compared.map(({ turn, journal }, at) => {
      const { value, interval } = confidenceSequence(compared.slice(0, at + 1), { alpha, plannedLooks });
      return { turn, journal, value, interval };
    }),
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
