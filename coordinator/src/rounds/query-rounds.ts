// Rounds that ask a query: one round for each answer, or one for each step of an answer that is found step by step.
import { type AnalyticsQuery, contributionLength, contributionNorm, queryText } from "@fedloop/privacy/analytics";
import { ANALYTICS_TRAINER, type PlanAnalytics, type PlanQuery } from "../plan/analytics.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import type { RoundSpec, Tuning } from "./round-spec.js";

/** Which question a round asks. */
export interface RoundQuery {
  readonly name: string;
  /** Which of the plan's `times`, from 1. */
  readonly turn: number;
  /** Which step of an answer, from 1. */
  readonly step: number;
  readonly ask: AnalyticsQuery;
}

/** A query's own noise: a query of weight w gets w times the zero-concentrated privacy of one of weight 1. */
export function queryNoiseMultiplier(noiseMultiplier: number, { weight }: PlanQuery): number {
  return noiseMultiplier / Math.sqrt(weight);
}

/** How many numbers a query's participants send, and what they clip them to. */
export function queryShape({ ask }: PlanQuery): { readonly length: number; readonly clipNorm: number } {
  return { length: contributionLength(ask), clipNorm: contributionNorm(ask) };
}

/** A round's query as its plan entry carries it. */
export function querySettings({ name, turn, step, ask }: RoundQuery): RoundSpec["trainer"] {
  return { id: ANALYTICS_TRAINER, settings: { name, turn, step, query: queryText(ask) } };
}

/** Every query once, then again those that are asked more often. */
export function queryRounds({ queries }: PlanAnalytics, specs: readonly RoundSpec[]): readonly RoundSpec[] {
  const rounds: RoundSpec[] = [];
  const turns = Math.max(...queries.map(({ times }) => times));
  for (let turn = 1; turn <= turns; turn++) {
    queries.forEach(({ name, ask, times, steps }, index) => {
      const spec = specs[index];
      if (spec === undefined || turn > times) return;
      for (let step = 1; step <= steps; step++) {
        const query: RoundQuery = { name, turn, step, ask };
        rounds.push({ ...spec, query, trainer: querySettings(query) });
      }
    });
  }
  return rounds;
}

/** The same round with another query of the same shape. */
export function withQuery(spec: RoundSpec, query: RoundQuery): RoundSpec {
  return { ...spec, query, trainer: querySettings(query) };
}

/** The votes that decide on a plan's settings. @param above settings that stand above what a candidate brings */
export function tuningOf(plan: PopulationPlan, above: RoundSpec["trainer"]["settings"]): readonly Tuning[] {
  return queriesOf(plan).flatMap(({ name, tunes }) => {
    if (tunes === undefined) return [];
    const each = Object.entries(tunes).map(([candidate, settings]) => [candidate, { ...settings, ...above }] as const);
    return [{ query: name, candidates: Object.fromEntries(each) }];
  });
}

/** Where a plan asks nothing, no queries. */
export function queriesOf({ analytics }: PopulationPlan): readonly PlanQuery[] {
  return analytics?.queries ?? [];
}
