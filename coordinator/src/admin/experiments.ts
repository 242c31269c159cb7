import * as z from "zod";
import { type ArmAnalysis, type ExperimentAnalysis, experimentAnalyses } from "../analytics/experiments.js";
import { plannedTurns } from "../analytics/planned-turns.js";
import { answeredQueries } from "../analytics/results.js";
import type { AdminDependencies } from "./dependencies.js";
import type { ZodRoutes } from "./zod-routes.js";

const comparisonSchema = z.object({
  arm: z.string(),
  control: z.string().describe("the first arm"),
  difference: z.number().describe("of the arm's mean over the control's, noise included"),
  low: z.number().nullable().describe("of an interval that holds however often one looks; null where it has no end"),
  high: z.number().nullable(),
  pValue: z.number().describe("always valid"),
  isDecided: z.boolean(),
  probabilityBetter: z.number().describe("Bayesian: that the arm's mean is above the control's"),
});

const experimentSchema = z
  .object({
    population: z.string(),
    name: z.string(),
    looks: z.int().describe("releases so far"),
    epsilon: z.string().describe("of the population after the newest of them, as the ledger claims it"),
    isMismatch: z.boolean().describe("participants are not spread over the arms as they should be: trust nothing here"),
    arms: z.array(
      z.object({
        arm: z.string(),
        participants: z.number().nullable().describe("noised; null where there are too few to tell"),
        mean: z.number().nullable(),
      }),
    ),
    comparisons: z.array(comparisonSchema),
  })
  .meta({ id: "Experiment" });

type ExperimentResource = z.input<typeof experimentSchema>;

/** Experiments, analysed from what their rounds have released. */
export function addExperiments(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, maySee, populations } = deps;
  app.get(
    "/experiments",
    {
      onRequest: guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "listExperiments",
        summary: "Experiments with all their releases taken together",
        tags: ["analytics"],
        querystring: z.object({ population: z.string().max(63).optional() }),
        response: { 200: z.object({ items: z.array(experimentSchema) }) },
      },
    },
    async (request) => {
      const { population } = request.query;
      const visible = [...populations.all()]
        .map(({ name }) => name)
        .filter((name) => maySee(request, name) && (population === undefined || name === population));
      const answers = (await Promise.all(visible.map((name) => answeredQueries(deps, name)))).flat();
      const analyses = experimentAnalyses(answers, { plannedLooks: await plannedTurns(deps.store) });
      return { items: analyses.map(resource) };
    },
  );
}

function resource({
  population,
  name,
  looks,
  epsilon,
  sampleRatio,
  arms,
  analyses,
}: ExperimentAnalysis): ExperimentResource {
  return {
    population,
    name,
    looks,
    epsilon,
    isMismatch: sampleRatio.isMismatch,
    arms: arms.map(({ arm, mean }) => ({ arm, participants: mean?.count ?? null, mean: mean?.mean ?? null })),
    comparisons: analyses.flatMap(({ analysis }) => (analysis === null ? [] : [comparison(analysis)])),
  };
}

function comparison({ difference, sequential, bayesian }: ArmAnalysis): ExperimentResource["comparisons"][number] {
  const { arm, control, value } = difference;
  const [low, high] = sequential.interval;
  return {
    arm,
    control,
    difference: value,
    // JSON knows no infinity.
    low: Number.isFinite(low) ? low : null,
    high: Number.isFinite(high) ? high : null,
    pValue: sequential.pValue,
    isDecided: sequential.isDecided,
    probabilityBetter: bayesian.probabilityBetter,
  };
}
