import type { NamedEstimate } from "@fedloop/privacy/analytics";
import * as z from "zod";
import { answeredQueries } from "../analytics/results.js";
import type { AdminDependencies } from "./dependencies.js";
import type { ZodRoutes } from "./zod-routes.js";

const answerSchema = z
  .object({
    population: z.string(),
    round: z.int(),
    query: z.string().describe("its name in the population's plan"),
    kind: z.string().describe("of the query, such as count, quantiles or experiment"),
    closedMs: z.int(),
    members: z.int().describe("devices whose answers are in the sum"),
    epsilon: z.string().describe("of the population once this was paid for, as the ledger claims it"),
    estimates: z.array(
      z.object({
        name: z.string(),
        value: z.number().nullable().describe("null where it is withheld"),
        low: z.number().nullable().describe("of the 95 % interval, null where there is none"),
        high: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: "Answer" });

/** Most answers of one list, the newest. */
const MOST_ANSWERS = 100;

/** Experiments and other queries that devices have answered. */
export function addAnswers(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, maySee, populations } = deps;
  app.get(
    "/answers",
    {
      onRequest: guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "listAnswers",
        summary: "Queries that devices have answered, the newest first: noised estimates, no single answer",
        tags: ["analytics"],
        querystring: z.object({ population: z.string().max(63).optional() }),
        response: { 200: z.object({ items: z.array(answerSchema) }) },
      },
    },
    async (request) => {
      const { population } = request.query;
      const visible = [...populations.all()]
        .map(({ name }) => name)
        .filter((name) => maySee(request, name) && (population === undefined || name === population));
      const answers = (await Promise.all(visible.map((name) => answeredQueries(deps, name)))).flat();
      const newest = answers.sort((one, other) => other.closedMs - one.closedMs).slice(0, MOST_ANSWERS);
      return {
        items: newest.map(({ population, round, name, query, closedMs, epsilon, result }) => ({
          population,
          round,
          query: name,
          kind: query.kind,
          closedMs,
          members: result.members,
          epsilon,
          estimates: result.estimates.map(({ name, estimate }) => ({ name, ...bounds(estimate) })),
        })),
      };
    },
  );
}

type Bounds = Pick<z.input<typeof answerSchema>["estimates"][number], "value" | "low" | "high">;

function bounds(estimate: NamedEstimate["estimate"]): Bounds {
  if (estimate === null) return { value: null, low: null, high: null };
  const [low, high] = estimate.interval;
  return { value: finite(estimate.value), low: finite(low), high: finite(high) };
}

/** JSON knows no infinity. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
