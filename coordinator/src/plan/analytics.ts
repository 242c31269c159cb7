// The section of a plan that asks questions instead of training a model.
import { type AnalyticsQuery, analyticsQuery } from "@fedloop/privacy/analytics";
import * as z from "zod";
import { above, between, identifier, integer, oneOf, section } from "../config/fields.js";
import type { Contradiction } from "./contradictions.js";
import type { WrittenPlan } from "./schema.js";
import { givenSettings, type Settings } from "./settings.js";

/** `trainer.id` of every round that asks a query; the devices' runtime answers under the same name. */
export const ANALYTICS_TRAINER = "analytics";

/** A query as a plan writes it. */
export interface WrittenQuery {
  readonly name: string;
  readonly ask: AnalyticsQuery;
  readonly times: number;
  readonly weight: number;
  /** Of votes before training: what each candidate adds to the trainer's settings if it wins. */
  readonly tunes?: Readonly<Record<string, Settings>> | undefined;
}

/** When a plan that trains asks its queries: before all training rounds, or after. */
export const QUERY_TIMES = ["before", "after"] as const;

export interface WrittenAnalytics {
  readonly when: (typeof QUERY_TIMES)[number];
  /** In a plan that trains: part of the budget that all queries together may use, as zero-concentrated privacy. */
  readonly budgetShare: number;
  readonly queries: readonly WrittenQuery[];
}

/** A query of a plan, and how many rounds it takes. */
export interface PlanQuery extends WrittenQuery {
  /** Rounds for one answer: more than one where later rounds ask what earlier ones have found. */
  readonly steps: number;
}

export interface PlanAnalytics extends Pick<WrittenAnalytics, "when" | "budgetShare"> {
  readonly queries: readonly PlanQuery[];
  /** Of all queries together. */
  readonly rounds: number;
}

const MAX_QUERIES = 100;
const expected = { error: `a list of 1 to ${MAX_QUERIES} queries of different names` };

export const analyticsSection: z.ZodType<WrittenAnalytics> = section({
  when: oneOf(QUERY_TIMES).default("after"),
  budgetShare: between(0.001, 0.9).default(0.1),
  queries: z
    .array(
      section({
        name: identifier(),
        ask: analyticsQuery,
        times: integer(1, 10_000).default(1),
        weight: above(0, 1e6).default(1),
        tunes: z.record(z.string(), givenSettings, { error: "a mapping of candidates to settings" }).optional(),
      }),
      expected,
    )
    .min(1, expected)
    .max(MAX_QUERIES, expected)
    .refine((queries) => new Set(queries.map(({ name }) => name)).size === queries.length, expected),
});

/** Keys that a plan with queries leaves out, as the rest of the schema wants them. */
const NO_TRAINING = { model: { parameters: 1 }, trainer: { id: ANALYTICS_TRAINER }, rounds: 1 };

/** What a plan's file says, with the keys of training filled in where it only asks queries. */
export function withoutTraining(written: unknown): unknown {
  if (typeof written !== "object" || written === null || !Object.hasOwn(written, "analytics")) return written;
  const trains = Object.keys(NO_TRAINING).some((key) => Object.hasOwn(written, key));
  return trains ? written : { ...NO_TRAINING, ...written };
}

function stepsOf(ask: AnalyticsQuery): number {
  return ask.kind === "heavy-hitters" ? ask.length : 1;
}

export function completeAnalytics({ when, budgetShare, queries }: WrittenAnalytics): PlanAnalytics {
  const planned = queries.map((query): PlanQuery => ({ ...query, steps: stepsOf(query.ask) }));
  return {
    when,
    budgetShare,
    queries: planned,
    rounds: planned.reduce((sum, { times, steps }) => sum + times * steps, 0),
  };
}

/** What cannot stand beside queries. */
export function* inAnalytics(plan: WrittenPlan): Generator<Contradiction> {
  const { analytics, trainer, evaluation, strategy, privacy } = plan;
  if (analytics === undefined) {
    if (trainer.id === ANALYTICS_TRAINER)
      yield at("trainer.id", "another trainer, or the section analytics; came neither");
    return;
  }
  yield* inTuning(analytics, trainer.id !== ANALYTICS_TRAINER);
  if (trainer.id === ANALYTICS_TRAINER) {
    if (evaluation !== undefined) yield at("evaluation", "none in a plan that only asks queries; came one");
    if (strategy.id !== "fedavg") {
      yield at("strategy.id", `none in a plan that only asks queries, which changes no model, came ${strategy.id}`);
    }
    if (privacy.clipNorm !== undefined) {
      yield at(
        "privacy.clipNorm",
        `none in a plan that only asks queries, each of which has its own, came ${privacy.clipNorm}`,
      );
    }
    if (privacy.adaptiveClipping !== undefined) {
      yield at("privacy.adaptiveClipping", "none in a plan that only asks queries, whose clips are fixed, came one");
    }
  }
  if (evaluation !== undefined && evaluation.budgetShare + analytics.budgetShare >= 1) {
    yield at(
      "analytics.budgetShare",
      `less than 1 together with that of the evaluation, came ${analytics.budgetShare}`,
    );
  }
  if (privacy.mechanism === "dp-ftrl" || privacy.mechanism === "dp-sgd") {
    yield at("privacy.mechanism", `noise on sums of participants' answers with analytics, came ${privacy.mechanism}`);
  }
}

/** Settings can only follow from votes that are counted before the plan trains, and each candidate has some. */
function* inTuning({ when, queries }: WrittenAnalytics, trains: boolean): Generator<Contradiction> {
  for (const { name, ask, tunes } of queries) {
    if (tunes === undefined) continue;
    const path = ["analytics", "queries", name, "tunes"];
    if (ask.kind !== "votes" || when !== "before" || !trains) {
      yield { path, message: "none but with votes in a plan that trains, with when: before; came settings" };
      continue;
    }
    const strange = Object.keys(tunes).find((each) => !ask.candidates.includes(each));
    const missing = ask.candidates.find((each) => !Object.hasOwn(tunes, each));
    if (strange !== undefined) yield { path, message: `only ${ask.candidates.join(", ")}, came ${strange}` };
    if (missing !== undefined) yield { path, message: `settings for each candidate, came none for ${missing}` };
  }
}

function at(path: string, message: string): Contradiction {
  return { path: path.split("."), message };
}
