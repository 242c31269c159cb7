import type { AnalyticsQuery, Estimate } from "@fedloop/privacy/analytics";
import * as z from "zod";
import { type AnsweredQuery, replays } from "../../analytics/results.js";
import type { ZodRoutes } from "../zod-routes.js";
import { type AnalyticsDependencies, addList } from "./list.js";
import { bound, ends, finite, journalIndex } from "./numbers.js";

const answerSchema = z
  .object({
    population: z.string(),
    round: z.int(),
    query: z.string().describe("its name in the population's plan"),
    turn: z.int().describe("which of the plan's times, from 1"),
    kind: z.string().describe("of the query, such as count, quantiles or experiment"),
    about: z.string().nullable().describe("what the plan says that it is about"),
    closedMs: z.int(),
    members: z.int().describe("devices whose answers are in the sum"),
    minimumDevices: z.int().describe("cells of fewer devices, by the noised count, are withheld"),
    epsilon: z.string().describe("of the population once this was paid for, as the ledger claims it"),
    ownEpsilon: z.string().describe("of this release by itself; costs of several compose to less than their sum"),
    delta: z.string(),
    noiseStdDev: z.number().describe("of the noise on each released sum, rounding on the devices included"),
    journal: z.object({
      index: journalIndex,
      plan: z.int().describe("the entry of the round's plan"),
      aggregate: z.string().describe("SHA-256 of the noised sum, base64url"),
      replays: z.boolean().describe("the noised sum, read again now, gives the numbers that were released"),
    }),
    curve: z
      .string()
      .nullable()
      .describe("the column whose values the parts of a ratio ask for: a retention curve over days"),
    estimates: z.array(
      z.object({
        name: z.string(),
        at: z.number().nullable().describe("place on the curve"),
        value: z.number().nullable().describe("null where it is withheld"),
        low: bound.describe("of the 95 % interval, null where there is none"),
        high: bound,
        noiseStdDev: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: "Answer" });

function answerResource(answer: AnsweredQuery): z.input<typeof answerSchema> {
  const { query, result } = answer;
  const curve = curveOf(query);
  return {
    population: answer.population,
    round: answer.round,
    query: answer.name,
    turn: answer.turn,
    kind: query.kind,
    about: query.about ?? null,
    closedMs: answer.closedMs,
    members: result.members,
    minimumDevices: query.minimumDevices,
    epsilon: answer.epsilon,
    ownEpsilon: answer.ownEpsilon,
    delta: answer.delta,
    noiseStdDev: Math.sqrt(result.noiseVariance),
    journal: {
      index: answer.journal,
      plan: answer.planIndex,
      aggregate: Buffer.from(answer.aggregate).toString("base64url"),
      replays: replays(answer),
    },
    curve: curve?.column ?? null,
    estimates: result.estimates.map(({ name, estimate }) => ({
      name,
      at: curve?.at.get(name) ?? null,
      ...numbers(estimate),
    })),
  };
}

function numbers(estimate: Estimate | null) {
  if (estimate === null) return { value: null, low: null, high: null, noiseStdDev: null };
  const { value, interval, noiseVariance } = estimate;
  return { value: finite(value), ...ends(interval), noiseStdDev: finite(Math.sqrt(noiseVariance)) };
}

/** A ratio whose parts differ in one number alone is a curve over it. */
function curveOf(query: AnalyticsQuery): { readonly column: string; readonly at: ReadonlyMap<string, number> } | null {
  if (query.kind !== "ratio") return null;
  const at = new Map<string, number>();
  const columns = new Set<string>();
  for (const [name, part] of Object.entries(query.parts)) {
    const [[column, value] = ["", null], ...others] = Object.entries(part);
    if (typeof value !== "number" || others.length > 0) return null;
    columns.add(column);
    at.set(name, value);
  }
  const [column] = columns;
  return column === undefined || columns.size > 1 ? null : { column, at };
}

/** Most answers of one list, the newest. */
const MOST_ANSWERS = 100;

/** Queries that devices have answered. */
export function addAnswers(app: ZodRoutes, deps: AnalyticsDependencies): void {
  addList(app, deps, {
    path: "/answers",
    operationId: "listAnswers",
    summary: "Queries that devices have answered, the newest first: noised estimates, no single answer",
    item: answerSchema,
    read: (answers) => {
      const newest = answers.toSorted((one, other) => other.closedMs - one.closedMs || other.round - one.round);
      return newest.slice(0, MOST_ANSWERS).map(answerResource);
    },
  });
}
