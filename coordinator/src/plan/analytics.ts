// The section of a plan that asks questions instead of training a model.
import { type AnalyticsQuery, analyticsQuery } from "@fedloop/privacy/analytics";
import * as z from "zod";
import { above, identifier, integer, section } from "../config/fields.js";
import type { Contradiction } from "./contradictions.js";
import type { WrittenPlan } from "./schema.js";

/** `trainer.id` of every round that asks a query; the devices' runtime answers under the same name. */
export const ANALYTICS_TRAINER = "analytics";

/** A query as a plan writes it. */
export interface WrittenQuery {
  readonly name: string;
  readonly ask: AnalyticsQuery;
  readonly times: number;
  readonly weight: number;
}

export interface WrittenAnalytics {
  readonly queries: readonly WrittenQuery[];
}

/** A query of a plan, and how many rounds it takes. */
export interface PlanQuery extends WrittenQuery {
  /** Rounds for one answer: more than one where later rounds ask what earlier ones have found. */
  readonly steps: number;
}

export interface PlanAnalytics {
  readonly queries: readonly PlanQuery[];
  /** Of all queries together. */
  readonly rounds: number;
}

const MAX_QUERIES = 100;
const expected = { error: `a list of 1 to ${MAX_QUERIES} queries of different names` };

export const analyticsSection: z.ZodType<WrittenAnalytics> = section({
  queries: z
    .array(
      section({
        name: identifier(),
        ask: analyticsQuery,
        times: integer(1, 10_000).default(1),
        weight: above(0, 1e6).default(1),
      }),
      expected,
    )
    .min(1, expected)
    .max(MAX_QUERIES, expected)
    .refine((queries) => new Set(queries.map(({ name }) => name)).size === queries.length, expected),
});

/** Keys that a plan with queries leaves out, as the rest of the schema wants them. */
const NO_TRAINING = { model: { parameters: 1 }, trainer: { id: ANALYTICS_TRAINER }, rounds: 1 };

/** What a plan's file says, with the keys of training filled in where it asks queries instead. */
export function withoutTraining(written: unknown): unknown {
  const isPlan = typeof written === "object" && written !== null && Object.hasOwn(written, "analytics");
  return isPlan ? { ...NO_TRAINING, ...written } : written;
}

function stepsOf(ask: AnalyticsQuery): number {
  return ask.kind === "heavy-hitters" ? ask.length : 1;
}

export function completeAnalytics({ queries }: WrittenAnalytics): PlanAnalytics {
  const planned = queries.map((query): PlanQuery => ({ ...query, steps: stepsOf(query.ask) }));
  return { queries: planned, rounds: planned.reduce((sum, { times, steps }) => sum + times * steps, 0) };
}

/** What cannot stand beside queries. */
export function* inAnalytics(plan: WrittenPlan): Generator<Contradiction> {
  const { analytics, trainer, rounds, model, evaluation, strategy, privacy } = plan;
  if (analytics === undefined) {
    if (trainer.id === ANALYTICS_TRAINER)
      yield at("trainer.id", "another trainer, or the section analytics; came neither");
    return;
  }
  if (trainer.id !== ANALYTICS_TRAINER || rounds !== 1 || model.parameters !== 1) {
    yield at(
      "analytics",
      "either queries, or model, trainer and rounds, came both; make it two plans, each with a purpose of its own",
    );
  }
  if (evaluation !== undefined) yield at("evaluation", "none beside analytics, whose queries evaluate; came one");
  if (strategy.id !== "fedavg")
    yield at("strategy.id", `none beside analytics, which changes no model, came ${strategy.id}`);
  if (privacy.clipNorm !== undefined) {
    yield at("privacy.clipNorm", `none beside analytics, since it follows from each query, came ${privacy.clipNorm}`);
  }
  if (privacy.mechanism === "dp-ftrl" || privacy.mechanism === "dp-sgd") {
    yield at("privacy.mechanism", `noise on sums of participants' answers with analytics, came ${privacy.mechanism}`);
  }
  if (privacy.adaptiveClipping !== undefined) {
    yield at("privacy.adaptiveClipping", "none beside analytics, whose clip is fixed, came one");
  }
}

function at(path: string, message: string): Contradiction {
  return { path: path.split("."), message };
}
