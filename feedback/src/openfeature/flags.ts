// Flags that the device decides by itself: by its experiments and its local models. No flag server learns who asked for what.

import { FeedbackError } from "../errors.js";
import type { Experiments } from "../experiments/assignment.js";

/** What a flag may be. */
export type FlagJson = string | number | boolean | null | readonly FlagJson[] | { readonly [name: string]: FlagJson };

/** A flag's value, and where it is from. Reasons are OpenFeature's. */
export interface FlagResolution {
  readonly value: FlagJson;
  readonly variant: string;
  readonly reason: "SPLIT" | "TARGETING_MATCH" | "STATIC" | "DEFAULT";
}

/** Decides one flag. Apps bring their own kinds. */
export interface Flag {
  resolve(): FlagResolution;
}

/** Flags by key. */
export type Flags = Readonly<Record<string, Flag>>;

/**
 * The arm of an experiment as a flag.
 *
 * @param values of each arm
 * @param otherwise for devices that are in no arm
 * @throws FeedbackError BAD_EXPERIMENT where there is no such experiment, or an arm has no value
 */
export function experimentFlag(
  experiments: Experiments,
  experimentId: string,
  values: Readonly<Record<string, FlagJson>>,
  otherwise: FlagJson,
): Flag {
  for (const { name } of experiments.experiment(experimentId).arms) {
    if (Object.hasOwn(values, name)) continue;
    throw new FeedbackError("BAD_EXPERIMENT", `${experimentId}: expected a value for the arm "${name}"`);
  }
  return {
    resolve() {
      const assignment = experiments.assign(experimentId);
      if (assignment.type !== "arm") return { value: otherwise, variant: assignment.type, reason: "DEFAULT" };
      return { value: values[assignment.arm] ?? otherwise, variant: assignment.arm, reason: "SPLIT" };
    },
  };
}

/**
 * A local model's score as a flag: one value where it is high enough, another where it is not.
 *
 * @param score from 0 to 1, worked out on the device each time
 */
export function scoreFlag(
  score: () => number,
  atLeast: number,
  values: { readonly above: FlagJson; readonly below: FlagJson },
): Flag {
  return {
    resolve() {
      const variant = score() >= atLeast ? "above" : "below";
      return { value: values[variant], variant, reason: "TARGETING_MATCH" };
    },
  };
}

/** One value for all. */
export function staticFlag(value: FlagJson): Flag {
  return { resolve: () => ({ value, variant: "static", reason: "STATIC" }) };
}

/** What a provider answers, with the codes of OpenFeature's specification (§1.4). */
export type FlagAnswer =
  | { readonly type: "resolved"; readonly value: FlagJson; readonly variant: string; readonly reason: string }
  | {
      readonly type: "failed";
      readonly code: "FLAG_NOT_FOUND" | "TYPE_MISMATCH" | "GENERAL";
      readonly message: string;
    };

/** Resolves a flag to a value of a type. Never throws: an app that asks for a flag goes on with its default. */
export function resolveFlag(flags: Flags, key: string, type: "boolean" | "string" | "number" | "object"): FlagAnswer {
  const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
  if (flag === undefined) return { type: "failed", code: "FLAG_NOT_FOUND", message: `there is no flag "${key}"` };
  try {
    const { value, variant, reason } = flag.resolve();
    const came = value === null ? "null" : typeof value;
    if (came !== type) {
      return { type: "failed", code: "TYPE_MISMATCH", message: `"${key}" is of type ${came}, not ${type}` };
    }
    return { type: "resolved", value, variant, reason };
  } catch (cause) {
    return {
      type: "failed",
      code: "GENERAL",
      message: cause instanceof FeedbackError ? cause.message : `"${key}" failed`,
    };
  }
}
