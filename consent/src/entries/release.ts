import * as z from "zod/mini";
import { type EventJson, eventJson } from "./event.js";
import { bytes32, delta, epsilon, identifier, positive } from "./scalars.js";

/** What a round spent, written before anyone sees its result. */
export interface BudgetDebit {
  readonly population: string;
  readonly round: number;
  /** Leaf hash of the round's plan. */
  readonly plan: string;
  readonly event: EventJson;
  readonly accountant: "rdp";
  /** ε that the population has spent in all once this is counted, at δ. */
  readonly epsilon: string;
  readonly delta: string;
  /** Leaf hash of the population's debit before; null for the first. */
  readonly prior: string | null;
}

export const budgetDebit: z.ZodMiniType<BudgetDebit> = z.strictObject({
  population: identifier,
  round: positive,
  plan: bytes32,
  event: eventJson,
  accountant: z.literal("rdp"),
  epsilon,
  delta,
  prior: z.nullable(bytes32),
});

/** A model leaves the round. */
export interface ModelRelease {
  readonly population: string;
  readonly round: number;
  /** SHA-256 of the model's file. */
  readonly model: string;
  /** Leaf hash of the debit that paid for it. */
  readonly debit: string;
}

export const modelRelease: z.ZodMiniType<ModelRelease> = z.strictObject({
  population: identifier,
  round: positive,
  model: bytes32,
  debit: bytes32,
});

/** A private query was answered, the result of an evaluation round among them. */
export interface AnalyticsRelease {
  readonly population: string;
  readonly round: number;
  /** Leaf hash of the round's plan. */
  readonly plan: string;
  /** SHA-256 of the query's text. */
  readonly query: string;
  readonly event: EventJson;
  /** No result is released for fewer participants. */
  readonly minimumCohort: number;
  /** Leaf hash of the debit that paid for it. */
  readonly debit: string;
}

export const analyticsRelease: z.ZodMiniType<AnalyticsRelease> = z.strictObject({
  population: identifier,
  round: positive,
  plan: bytes32,
  query: bytes32,
  event: eventJson,
  minimumCohort: positive,
  debit: bytes32,
});
