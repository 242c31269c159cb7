import * as z from "zod";
import { type ArmAnalysis, type ExperimentAnalysis, experimentAnalyses } from "../../analytics/experiments.js";
import { plannedTurns } from "../../analytics/planned-turns.js";
import type { ZodRoutes } from "../zod-routes.js";
import { type AnalyticsDependencies, addList } from "./list.js";
import { bound, ends, journalIndex } from "./numbers.js";

const intervalSchema = z.object({ low: bound, high: bound });

const comparisonSchema = z.object({
  arm: z.string(),
  control: z.string().describe("the first arm"),
  difference: z.number().describe("of the arm's mean over the control's, noise included"),
  noiseShare: z.number().describe("part of the difference's variance that is noise"),
  low: bound.describe("of an interval that holds however often one looks"),
  high: bound,
  pValue: z.number().describe("always valid"),
  isDecided: z.boolean(),
  oneLook: intervalSchema
    .extend({ pValue: z.number() })
    .describe("frequentist: valid for one look that was planned beforehand"),
  probabilityBetter: z.number().describe("Bayesian: that the arm's mean is above the control's"),
  bayesian: intervalSchema.extend({ expectedLoss: z.number().describe("of taking the arm, where it is the worse") }),
  looks: z
    .array(intervalSchema.extend({ turn: z.int(), journal: journalIndex, difference: z.number() }))
    .describe("the interval that holds at all looks, as it stood after each"),
});

const experimentSchema = z
  .object({
    population: z.string(),
    name: z.string(),
    looks: z.int().describe("releases so far"),
    journal: z.array(journalIndex).describe("of all releases"),
    epsilon: z.string().describe("of the population after the newest of them, as the ledger claims it"),
    delta: z.string(),
    lower: z.number().describe("bounds of the outcome"),
    upper: z.number(),
    noiseStdDev: z.number().describe("of the noise on each count of participants, all releases together"),
    fewestToTell: z.number().describe("an arm of no more participants is not told from an empty one"),
    isMismatch: z.boolean().describe("participants are not spread over the arms as they should be: trust nothing here"),
    sampleRatio: z.number().describe("p-value of participants spread as they are, if all is well"),
    arms: z.array(
      z.object({
        arm: z.string(),
        participants: z.number().nullable().describe("noised; null where they are fewer than may be told"),
        mean: z.number().nullable().describe("null where there are too few to tell"),
        low: bound.describe("of the mean's 95 % interval: people and noise"),
        high: bound,
      }),
    ),
    comparisons: z.array(comparisonSchema).describe("each arm that can be compared with the first"),
    needs: z
      .array(
        z.object({
          effect: z.number(),
          participantsPerArm: z.int().describe("with the noise that there is now"),
          epsilon: z.number().nullable().describe("of the query by itself, with as many participants as now"),
        }),
      )
      .describe("what it takes to find a difference with a chance of 80 % in one release"),
  })
  .meta({ id: "Experiment" });

/** Of a 95 % interval. */
const Z_95 = 1.959964;

function experimentResource(experiment: ExperimentAnalysis): z.input<typeof experimentSchema> {
  const { population, name, looks, journal, epsilon, delta, lower, upper, noiseStdDev, fewestToTell } = experiment;
  return {
    ...{ population, name, looks, journal: [...journal], epsilon, delta, lower, upper, noiseStdDev, fewestToTell },
    isMismatch: experiment.sampleRatio.isMismatch,
    sampleRatio: experiment.sampleRatio.pValue,
    arms: experiment.arms.map(({ arm, count, mean }) => {
      if (mean === null) return { arm, participants: count, mean: null, low: null, high: null };
      const half = Z_95 * Math.sqrt(mean.samplingVariance + mean.noiseVariance);
      const low = Math.max(mean.mean - half, lower);
      return { arm, participants: count, mean: mean.mean, low, high: Math.min(mean.mean + half, upper) };
    }),
    comparisons: experiment.analyses.flatMap(({ analysis }) => (analysis === null ? [] : [comparison(analysis)])),
    needs: experiment.needs.map((need) => ({ ...need })),
  };
}

function comparison(analysis: ArmAnalysis): z.input<typeof comparisonSchema> {
  const { difference, frequentist, bayesian, sequential, looks } = analysis;
  return {
    arm: difference.arm,
    control: difference.control,
    difference: difference.value,
    noiseShare: difference.noiseVariance / difference.variance,
    ...ends(sequential.interval),
    pValue: sequential.pValue,
    isDecided: sequential.isDecided,
    oneLook: { ...ends(frequentist.interval), pValue: frequentist.pValue },
    probabilityBetter: bayesian.probabilityBetter,
    bayesian: { ...ends(bayesian.interval), expectedLoss: bayesian.expectedLoss },
    looks: looks.map(({ turn, journal, value, interval }) => ({ turn, journal, difference: value, ...ends(interval) })),
  };
}

/** Experiments, analysed from what their rounds have released. */
export function addExperiments(app: ZodRoutes, deps: AnalyticsDependencies): void {
  addList(app, deps, {
    path: "/experiments",
    operationId: "listExperiments",
    summary: "Experiments with all their releases taken together",
    item: experimentSchema,
    read: async (answers, { store }) =>
      experimentAnalyses(answers, { plannedLooks: await plannedTurns(store) }).map(experimentResource),
  });
}
