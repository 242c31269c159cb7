import * as z from "zod/mini";
import { type AdaptiveClippingPlan, adaptiveClippingPlan } from "./adaptive-clipping.js";
import { type EntryForm, type EntryReader, entryReader, formOf } from "./entry-forms.js";
import type { EntryOf } from "./entry-types.js";
import { type EventJson, eventJson } from "./event.js";
import { type ExampleLevelPlan, exampleLevelPlan } from "./example-level.js";
import { type NoiseRun, noiseRun } from "./noise-run.js";
import {
  bytes32,
  decimalAbove0,
  decimalFrom0,
  delta,
  epsilon,
  identifier,
  line,
  natural,
  positive,
} from "./scalars.js";
import { type StalenessPlan, stalenessPlan } from "./staleness.js";

/** What a plan sets for its trainer. */
type TrainerSettings = { readonly [name: string]: string | number | boolean };

function isSettings(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(
      ([name, setting]) =>
        identifier.safeParse(name).success &&
        (typeof setting === "boolean" || Number.isSafeInteger(setting) || line.safeParse(setting).success),
    )
  );
}

/** A part of a cohort, from 0 to below 1. */
const fraction: z.ZodMiniType<string> = decimalFrom0.check(
  z.refine((text) => Number(text) < 1, "must be a part: below 1"),
);

/** Which noise protects the sum, or with "dp-sgd" each device's training. "none" demands a reason. */
export type RoundMechanism =
  | "central-discrete-gaussian"
  | "distributed-discrete-gaussian"
  | "distributed-skellam"
  | "dp-ftrl"
  | "dp-sgd"
  | "none";

/** Whose data the guarantee is about: all of one participant's, or a single example of it. */
export type PrivacyUnit = "participant" | "example";

/** Which two data sets count as neighbours: one unit more or less, or its contribution replaced by zero. */
export type PrivacyAdjacency = "add-or-remove-one" | "replace-special";

const noiseOf = {
  "central-discrete-gaussian": "coordinator",
  "distributed-discrete-gaussian": "devices",
  "distributed-skellam": "devices",
  "dp-ftrl": "coordinator",
  "dp-sgd": "devices",
  none: "none",
} as const satisfies { readonly [Mechanism in RoundMechanism]: string };

/** Whether devices add the noise of the sum, under secure aggregation. */
export function isDistributed(mechanism: RoundMechanism): boolean {
  return mechanism === "distributed-discrete-gaussian" || mechanism === "distributed-skellam";
}

/** What the devices of a securely aggregated round have to agree on. Fractions are decimal strings, counts are devices. */
export interface SecureAggregationPlan {
  /** Who masks with whom; degree and threshold follow from it and from the number of members that come. */
  readonly graph: "complete" | "harary";
  /** Part of a group that may collude with the coordinator, and part that may drop out. */
  readonly corruptFraction: string;
  readonly dropoutFraction: string;
  readonly adversary: "none" | "semi-honest" | "semi-malicious";
  /** Members that the coordinator aims for when it splits the cohort into groups. */
  readonly groupTarget: number;
  /** Of each group. */
  readonly minimumMembers: number;
  readonly maximumMembers: number;
  readonly minimumSurvivors: number;
  /** The sum is taken modulo 2^bits: the width of a coordinate on the wire. */
  readonly bits: number;
  /** Largest absolute value of one coordinate of one device. */
  readonly valueBound: number;
}

/**
 * Everything a round is going to do, in the log before anyone is selected. A device reads every parameter of the round
 * from here and from nowhere else.
 */
export interface RoundPlan {
  readonly population: string;
  /** From 1, rising by one for each population. */
  readonly round: number;
  readonly kind: "train" | "evaluate";
  readonly purpose: string;
  readonly policy: number;
  /** Tree size whose consents decide who may be selected: all entries before it count, none after. */
  readonly consentTreeSize: number;
  /** The subjects with valid consent for the purpose at that size: how many, and `eligibleRoot` over them. */
  readonly eligible: { readonly count: number; readonly root: string };
  readonly sampler: { readonly type: "available" };
  readonly cohort: { readonly target: number; readonly minimum: number; readonly overSelection: string };
  readonly deadlines: { readonly selectionMs: number; readonly reportMs: number };
  readonly trainer: {
    readonly id: string;
    readonly settings: TrainerSettings;
  };
  /** The model that devices start from. */
  readonly model: { readonly sha256: string; readonly parameters: number; readonly bytes: number };
  /** Where updates of earlier models are taken too. */
  readonly staleness?: StalenessPlan;
  /** The vector that each device uploads; granularity is the real step of one integer unit. */
  readonly update: {
    readonly length: number;
    /** Numbers that training makes, where noise on the devices has them padded to `length` and rotated. */
    readonly dimension?: number;
    readonly encoding: "quantised" | "float32";
    readonly bits: number;
    readonly granularity: string;
    readonly integerNormBound: number;
  };
  readonly privacy: {
    readonly unit: PrivacyUnit;
    readonly adjacency: PrivacyAdjacency;
    readonly mechanism: RoundMechanism;
    readonly noiseAt: "coordinator" | "devices" | "none";
    readonly reason: string | null;
    readonly clipNorm: string;
    readonly noiseMultiplier: string;
    /** Fixed divisor of averages, known before the round. */
    readonly divisor: number;
    readonly event: EventJson;
    readonly adaptiveClipping?: AdaptiveClippingPlan;
    /** With mechanism "dp-ftrl", and only there. */
    readonly run?: NoiseRun;
    /** With mechanism "dp-sgd", and only there. */
    readonly examples?: ExampleLevelPlan;
  };
  readonly secureAggregation: {
    readonly enabled: boolean;
    readonly reason: string | null;
    readonly parameters?: SecureAggregationPlan;
  };
  /** The population's ε at δ once this round is debited, and the cap. */
  readonly reservation: { readonly epsilon: string; readonly delta: string; readonly cap: string };
}

const roundPlan: z.ZodMiniType<RoundPlan> = z
  .strictObject({
    population: identifier,
    round: positive,
    kind: z.enum(["train", "evaluate"]),
    purpose: identifier,
    policy: positive,
    consentTreeSize: positive,
    eligible: z.strictObject({ count: natural, root: bytes32 }),
    sampler: z.strictObject({ type: z.literal("available") }),
    cohort: z
      .strictObject({ target: positive, minimum: positive, overSelection: decimalAbove0 })
      .check(z.refine(({ target, minimum }) => minimum <= target, "minimum must not exceed target")),
    deadlines: z.strictObject({ selectionMs: positive, reportMs: positive }),
    trainer: z.strictObject({
      id: identifier,
      settings: z.custom<TrainerSettings>(isSettings, "must map identifiers to lines, integers, true or false"),
    }),
    model: z.strictObject({ sha256: bytes32, parameters: positive, bytes: positive }),
    staleness: z.exactOptional(stalenessPlan),
    update: z.strictObject({
      length: positive,
      dimension: z.exactOptional(positive),
      encoding: z.enum(["quantised", "float32"]),
      bits: z.int().check(z.gte(2), z.lte(32)),
      granularity: decimalAbove0,
      integerNormBound: positive,
    }),
    privacy: z
      .strictObject({
        unit: z.enum(["participant", "example"]),
        adjacency: z.enum(["add-or-remove-one", "replace-special"]),
        mechanism: z.enum([
          "central-discrete-gaussian",
          "distributed-discrete-gaussian",
          "distributed-skellam",
          "dp-ftrl",
          "dp-sgd",
          "none",
        ]),
        noiseAt: z.enum(["coordinator", "devices", "none"]),
        reason: z.nullable(line),
        clipNorm: decimalAbove0,
        noiseMultiplier: decimalFrom0,
        divisor: positive,
        event: eventJson,
        adaptiveClipping: z.exactOptional(adaptiveClippingPlan),
        run: z.exactOptional(noiseRun),
        examples: z.exactOptional(exampleLevelPlan),
      })
      .check(
        z.refine(
          ({ mechanism, noiseAt, noiseMultiplier }) =>
            noiseAt === noiseOf[mechanism] &&
            (mechanism === "none" ? noiseMultiplier === "0" : Number(noiseMultiplier) > 0),
          "noiseAt and noiseMultiplier must fit the mechanism",
        ),
        z.refine(
          ({ mechanism, adjacency, run }) =>
            (mechanism === "dp-ftrl") === (run !== undefined) && (run === undefined || adjacency === "replace-special"),
          "a run, under the adjacency replace-special, goes with dp-ftrl and only with that",
        ),
        z.refine(
          ({ mechanism, unit, examples }) =>
            (mechanism === "dp-sgd") === (examples !== undefined) && (examples === undefined || unit === "example"),
          "examples, under the unit example, go with dp-sgd and only with that",
        ),
        z.refine(
          ({ unit, mechanism }) => unit === "participant" || !isDistributed(mechanism),
          "noise that devices add to a sum is for the unit participant",
        ),
        z.refine(
          ({ adaptiveClipping, mechanism }) =>
            adaptiveClipping === undefined || mechanism === "central-discrete-gaussian" || isDistributed(mechanism),
          "adaptive clipping goes with noise that is drawn anew in each round",
        ),
        z.refine(
          ({ mechanism, event }) => (mechanism === "none") === (event.type === "NonPrivate"),
          "the event must be NonPrivate exactly when there is no mechanism",
        ),
        z.refine(
          ({ mechanism, reason }) => (mechanism === "none") === (reason !== null),
          "a reason must be given exactly when there is no mechanism",
        ),
      ),
    secureAggregation: z
      .strictObject({
        enabled: z.boolean(),
        reason: z.nullable(line),
        parameters: z.exactOptional(
          z
            .strictObject({
              graph: z.enum(["complete", "harary"]),
              corruptFraction: fraction,
              dropoutFraction: fraction,
              adversary: z.enum(["none", "semi-honest", "semi-malicious"]),
              groupTarget: positive,
              minimumMembers: positive,
              maximumMembers: positive,
              minimumSurvivors: positive,
              bits: z.int().check(z.gte(2), z.lte(32)),
              valueBound: positive,
            })
            .check(
              z.refine(
                ({ minimumSurvivors, minimumMembers, groupTarget, maximumMembers }) =>
                  minimumSurvivors <= minimumMembers && minimumMembers <= groupTarget && groupTarget <= maximumMembers,
                "minimumSurvivors, minimumMembers, groupTarget and maximumMembers must ascend",
              ),
            ),
        ),
      })
      .check(
        z.refine(
          ({ enabled, reason }) => enabled === (reason === null),
          "a reason must be given exactly when disabled",
        ),
        z.refine(
          ({ enabled, parameters }) => enabled === (parameters !== undefined),
          "parameters must be given exactly when enabled",
        ),
      ),
    reservation: z.strictObject({ epsilon, delta, cap: epsilon }),
  })
  .check(
    z.refine(
      ({ kind, model, staleness }) =>
        staleness === undefined || (kind === "train" && staleness.models[0] === model.sha256),
      "staleness is of training rounds, and names the round's own model first",
    ),
    z.refine(
      ({ privacy, update }) =>
        privacy.mechanism === "none" || privacy.mechanism === "dp-sgd" || update.encoding === "quantised",
      "noise is added to integers: the update must be quantised",
    ),
    z.refine(
      ({ privacy, update: { dimension, length }, secureAggregation }) =>
        isDistributed(privacy.mechanism)
          ? dimension !== undefined && dimension <= length && secureAggregation.enabled
          : dimension === undefined,
      "noise that devices add to a sum, and only that, goes with a dimension of at most length, and needs secure aggregation",
    ),
    z.refine(
      ({ secureAggregation: { parameters }, update }) =>
        parameters === undefined || (update.encoding === "quantised" && update.bits === parameters.bits),
      "masks are added to integers: the update must be quantised, with the bits of the secure aggregation",
    ),
  );

export const planForm: EntryForm<EntryOf<"round.plan">> = formOf("round.plan", roundPlan);

/** Reads a `round.plan` entry, and no other. @throws LedgerError as `parseEntry` */
export const readPlanEntry: EntryReader<EntryOf<"round.plan">> = entryReader([planForm]);
