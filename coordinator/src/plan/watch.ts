// What a plan that trains does by itself because of what another population's queries answer.
import type * as z from "zod";
import { above, identifier, integer, section } from "../config/fields.js";
import type { Contradiction } from "./contradictions.js";
import type { WrittenPlan } from "./schema.js";

export interface PlanWatch {
  /** The population that answers. */
  readonly population: string;
  /** After the first rounds, every so many more wait for drift in a query's answers. */
  readonly retrain?: { readonly query: string; readonly after: number; readonly each: number } | undefined;
  /** A canary is promoted or rolled back by an experiment: its first arm is the live model, its second the canary. */
  readonly canary?: { readonly query: string; readonly margin: number } | undefined;
}

export const watchSection: z.ZodType<PlanWatch> = section({
  population: identifier(),
  retrain: section({ query: identifier(), after: integer(1, 100_000), each: integer(1, 100_000) }).optional(),
  canary: section({ query: identifier(), margin: above(0) }).optional(),
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
  if (watch.retrain !== undefined && watch.retrain.after > rounds) {
    yield {
      path: ["watch", "retrain", "after"],
      message: `at most the number of rounds, ${rounds}, came ${watch.retrain.after}`,
    };
  }
}
