// What a plan that trains does by itself because of what another population's queries answer.
import * as z from "zod";
import { above, identifier, integer, section } from "../config/fields.js";
import type { Contradiction } from "./contradictions.js";
import type { WrittenPlan } from "./schema.js";

export interface PlanWatch {
  /** The population that answers. */
  readonly population: string;
  /** After the first rounds, every so many more wait for drift in a query's answers. */
  readonly retrain?: { readonly query: string; readonly after: number; readonly each: number } | undefined;
  /** A canary is promoted or rolled back by experiments: their first arm is the live model, their second the canary. */
  readonly canary?:
    | {
        /** About all devices. */
        readonly query: string;
        readonly margin: number;
        /** About one segment each: a canary that is worse for one of them does not go live. */
        readonly segments?: readonly string[] | undefined;
      }
    | undefined;
}

export const watchSection: z.ZodType<PlanWatch> = section({
  population: identifier(),
  retrain: section({ query: identifier(), after: integer(1, 100_000), each: integer(1, 100_000) }).optional(),
  canary: section({
    query: identifier(),
    margin: above(0),
    segments: z.array(identifier(), { error: "a list of names of queries" }).min(1, "at least one query").optional(),
  }).optional(),
});

/** What contradicts a section `watch`. */
export function* inWatch({ watch, rounds, population, analytics }: WrittenPlan): Generator<Contradiction> {
  if (watch === undefined) return;
  if (analytics !== undefined) yield { path: ["watch"], message: "a plan that trains, came one that asks" };
  if (watch.population === population) {
    yield { path: ["watch", "population"], message: "another population, which asks the queries; came this one" };
  }
  if (watch.retrain === undefined && watch.canary === undefined) {
    yield { path: ["watch"], message: "retrain, canary or both, came neither" };
  }
  const judging = watch.canary === undefined ? [] : [watch.canary.query, ...(watch.canary.segments ?? [])];
  if (new Set(judging).size < judging.length) {
    yield { path: ["watch", "canary", "segments"], message: "queries other than watch.canary.query, each named once" };
  }
  if (watch.retrain !== undefined && watch.retrain.after > rounds) {
    yield {
      path: ["watch", "retrain", "after"],
      message: `at most the number of rounds, ${rounds}, came ${watch.retrain.after}`,
    };
  }
}
