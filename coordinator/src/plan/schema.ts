/** What a plan file may say, key by key. What follows from several keys together is in `population-plan.ts`. */
import * as z from "zod";
import { above, between, duration, flag, identifier, integer, oneOf, section, text } from "../config/fields.js";
import { analyticsSection, type WrittenAnalytics, withoutTraining } from "./analytics.js";
import { contradictions } from "./contradictions.js";
import { type Settings, settings } from "./settings.js";
import { simulationSchema, type WrittenSimulation } from "./simulation-schema.js";
import { type PlanWatch, watchSection } from "./watch.js";

/** Where and how noise comes in; `none` has to be asked for, with a reason that the ledger records. */
export const MECHANISMS = [
  "central-discrete-gaussian",
  "distributed-discrete-gaussian",
  "distributed-skellam",
  "dp-ftrl",
  "dp-sgd",
  "none",
] as const;

/** Whose data ε is about. */
export const UNITS = ["participant", "example"] as const;

/** How DP-FTRL's noise is correlated. */
export const FACTORISATIONS = ["banded", "blt"] as const;

/** What the coordinator may do that secure aggregation withstands: read everything, or also lie about dropouts. */
export const ADVERSARIES = ["semi-honest", "semi-malicious"] as const;

export type Mechanism = (typeof MECHANISMS)[number];

/** How the model begins. */
export const INITIALISATIONS = ["zeros", "glorot-uniform"] as const;

/** What an evaluation reports, as named numbers made from a released sum. */
export const METRICS = ["rmse", "mean", "auc", "ranking", "none"] as const;

/** Whether a released model goes to devices by itself, or when an operator says so. */
export const RELEASES = ["automatic", "manual"] as const;

/** A plan file, before anything is concluded from it. Times are in milliseconds. */
export interface WrittenPlan {
  readonly population: string;
  readonly controller: string;
  readonly purpose: string;
  readonly notice: {
    readonly file: string;
    readonly mediaType?: string | undefined;
    readonly uri?: string | undefined;
  };
  readonly language: string;
  readonly dataCategories: readonly string[];
  readonly policy?: { readonly epsilon: number; readonly delta: number } | undefined;
  readonly model: {
    readonly parameters?: number | undefined;
    readonly tensors?: Readonly<Record<string, readonly number[]>> | undefined;
    readonly init: (typeof INITIALISATIONS)[number];
    readonly seed: number;
  };
  readonly trainer: { readonly id: string; readonly settings: Settings };
  readonly rounds: number;
  readonly release: (typeof RELEASES)[number];
  readonly cohort: {
    readonly target: number;
    readonly minimum?: number | undefined;
    readonly overSelection: number;
  };
  readonly deadlines: { readonly selection: number; readonly report: number };
  readonly privacy: {
    readonly mechanism: Mechanism;
    readonly reason?: string | undefined;
    readonly unit?: (typeof UNITS)[number] | undefined;
    readonly clipNorm?: number | undefined;
    readonly noiseMultiplier?: number | undefined;
    readonly epsilon?: number | undefined;
    readonly delta?: number | undefined;
    readonly bits: number;
    readonly adaptiveClipping?:
      | {
          readonly targetQuantile: number;
          readonly learningRate: number;
          readonly countNoiseStdDev?: number | undefined;
        }
      | undefined;
    readonly factorisation?:
      | {
          readonly type: (typeof FACTORISATIONS)[number];
          readonly minSeparation: number;
          readonly maxParticipations?: number | undefined;
          readonly bands?: number | undefined;
          readonly coefficients?: readonly number[] | undefined;
          readonly buffers?: number | undefined;
          readonly bufferDecay?: readonly number[] | undefined;
          readonly outputScale?: readonly number[] | undefined;
        }
      | undefined;
    readonly examples?:
      | {
          readonly clipNorm: number;
          readonly samplingProbability: number;
          readonly steps: number;
          readonly lotSize: number;
        }
      | undefined;
  };
  readonly secureAggregation: {
    readonly enabled: boolean;
    readonly reason?: string | undefined;
    readonly graph?: "complete" | "harary" | undefined;
    readonly groupTarget?: number | undefined;
    readonly corruptFraction?: number | undefined;
    readonly dropoutFraction?: number | undefined;
    readonly adversary?: (typeof ADVERSARIES)[number] | undefined;
  };
  readonly strategy: { readonly id: string; readonly settings: Settings };
  readonly evaluation?:
    | {
        readonly metric: (typeof METRICS)[number];
        readonly every?: number | undefined;
        readonly length?: number | undefined;
        readonly clipNorm: number;
        readonly budgetShare: number;
        readonly settings: Settings;
      }
    | undefined;
  readonly watch?: PlanWatch | undefined;
  /** Instead of model, trainer and rounds. */
  readonly analytics?: WrittenAnalytics | undefined;
  readonly participantLimits: { readonly epsilon?: number | undefined; readonly rounds?: number | undefined };
  /** What `fedloop simulate` puts in place of devices; coordinators that serve devices read past it. */
  readonly simulation?: WrittenSimulation | undefined;
}

/** A model has at most this many parameters: 4 GiB of 32-bit floats. */
const MAX_PARAMETERS = 2 ** 30;
const MAX_TENSORS = 1_000;
const MAX_ROUNDS = 100_000;
const MAX_COHORT = 10_000_000;
/** A group is one process's work. */
const MAX_GROUP = 10_000;

/** Vectors as long as an update that the coordinator keeps for correlated noise. */
const MAX_BUFFERS = 16;
const MAX_BANDS = 64;

function numbers(one: z.ZodType<number>, limit: number): z.ZodType<number[]> {
  const error = { error: `a list of 1 to ${limit} numbers` };
  return z.array(one, error).min(1, error).max(limit, error);
}

const expectedShape = { error: `a list of up to 8 whole numbers from 1 to ${MAX_PARAMETERS}, as in [128, 10]` };

const tensors = z
  .record(
    z.string().regex(/^[A-Za-z][A-Za-z0-9_./-]{0,127}$/),
    z.array(integer(1, MAX_PARAMETERS), expectedShape).max(8, expectedShape),
    { error: "a mapping of tensor names (starting with a letter) to shapes, as in {weights: [128, 10], bias: [10]}" },
  )
  .refine((entries) => Object.keys(entries).length >= 1 && Object.keys(entries).length <= MAX_TENSORS, {
    error: `1 to ${MAX_TENSORS} tensors`,
  })
  .refine(
    (entries) =>
      Object.values(entries).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0) <= MAX_PARAMETERS,
    { error: `at most ${MAX_PARAMETERS} parameters in all` },
  );

const model = section({
  parameters: integer(1, MAX_PARAMETERS).optional(),
  tensors: tensors.optional(),
  init: oneOf(INITIALISATIONS).default("zeros"),
  seed: integer(0, 2 ** 32 - 1).default(0),
}).refine((value) => (value.parameters === undefined) !== (value.tensors === undefined), {
  error: "expected either parameters (a number) or tensors (names and shapes), came both or neither",
});

const privacy = section({
  mechanism: oneOf(MECHANISMS).default("central-discrete-gaussian"),
  reason: text(500).optional(),
  unit: oneOf(UNITS).optional(),
  clipNorm: above(0, 1e9).optional(),
  noiseMultiplier: above(0, 1e6).optional(),
  epsilon: above(0, 1e3).optional(),
  delta: between(1e-12, 1e-2).optional(),
  bits: integer(8, 32).default(18),
  adaptiveClipping: section({
    targetQuantile: between(0.01, 0.99).default(0.5),
    learningRate: above(0, 5).default(0.2),
    countNoiseStdDev: above(0, 1e9).optional(),
  }).optional(),
  factorisation: section({
    type: oneOf(FACTORISATIONS).default("banded"),
    minSeparation: integer(1, MAX_ROUNDS),
    maxParticipations: integer(1, MAX_ROUNDS).optional(),
    bands: integer(1, MAX_BANDS).optional(),
    coefficients: numbers(between(-1e3, 1e3), MAX_BANDS).optional(),
    buffers: integer(1, MAX_BUFFERS).optional(),
    bufferDecay: numbers(between(0, 1), MAX_BUFFERS).optional(),
    outputScale: numbers(between(0, 1e3), MAX_BUFFERS).optional(),
  }).optional(),
  examples: section({
    clipNorm: above(0, 1e9),
    samplingProbability: above(0, 1),
    steps: integer(1, MAX_ROUNDS),
    lotSize: integer(1, 1e9),
  }).optional(),
});

const secureAggregation = section({
  enabled: flag(),
  reason: text(500).optional(),
  graph: oneOf(["complete", "harary"]).optional(),
  groupTarget: integer(3, MAX_GROUP).optional(),
  corruptFraction: between(0, 0.5).optional(),
  dropoutFraction: between(0, 0.5).optional(),
  adversary: oneOf(ADVERSARIES).optional(),
});

const evaluation = section({
  metric: oneOf(METRICS).default("rmse"),
  every: integer(1, MAX_ROUNDS).optional(),
  length: integer(1, 1_024).optional(),
  clipNorm: above(0, 1e9).default(1),
  budgetShare: between(0.001, 0.9).default(0.1),
  settings,
});

const language = { error: 'a language tag like "en" or "de-CH"' };

const categories = { error: "a list of 1 to 50 categories, as in [lecture ratings]" };

function isLanguageTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag)[0] === tag;
  } catch {
    return false;
  }
}

const plan = section({
  population: identifier(),
  controller: text(),
  purpose: identifier(),
  notice: section({
    file: text(1_000),
    mediaType: oneOf(["text/plain", "text/markdown", "text/html"]).optional(),
    uri: text(1_000).optional(),
  }),
  language: z.string(language).refine(isLanguageTag, language),
  dataCategories: z.array(text(), categories).min(1, categories).max(50, categories),
  policy: section({ epsilon: above(0, 1e3), delta: between(1e-12, 1e-2) }).optional(),
  model,
  trainer: section({ id: identifier(), settings }),
  rounds: integer(1, MAX_ROUNDS),
  release: oneOf(RELEASES).default("automatic"),
  cohort: section({
    target: integer(1, MAX_COHORT),
    minimum: integer(1, MAX_COHORT).optional(),
    overSelection: between(1, 3).default(1.1),
  }),
  deadlines: section({ selection: duration().prefault("1m"), report: duration().prefault("5m") }).prefault({}),
  privacy: privacy.prefault({}),
  secureAggregation: secureAggregation.prefault({ enabled: true }),
  strategy: section({ id: identifier(), settings }).prefault({ id: "fedavg" }),
  evaluation: evaluation.optional(),
  analytics: analyticsSection.optional(),
  watch: watchSection.optional(),
  participantLimits: section({
    epsilon: above(0, 1e3).optional(),
    rounds: integer(1, MAX_ROUNDS).optional(),
  }).prefault({}),
  simulation: simulationSchema.optional(),
}).superRefine((plan, context) => {
  for (const { path, message } of contradictions(plan)) {
    context.addIssue({ code: "custom", path: [...path], message: `expected ${message}` });
  }
});

/** The keys of a plan. `contradictions` says what holds between them. */
export const planSchema: z.ZodType<WrittenPlan> = z.preprocess(withoutTraining, plan);
