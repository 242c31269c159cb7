/** A population's plan with everything filled in: nothing about it is left to be guessed at run time. */

import { bandedSquareRoot, bltSquareRoot, type MatrixStrategy } from "@fedloop/privacy";
import type { TensorShape } from "../models/safetensors.js";
import { ANALYTICS_TRAINER, completeAnalytics, type PlanAnalytics } from "./analytics.js";
import type { ADVERSARIES, INITIALISATIONS, Mechanism, UNITS, WrittenPlan } from "./schema.js";
import { DEFAULT_CORRUPT_FRACTION, DEFAULT_DROPOUT_FRACTION, DEFAULT_GROUP_TARGET } from "./secure-groups.js";
import type { Settings } from "./settings.js";
import type { WrittenSimulation } from "./simulation-schema.js";
import type { PlanWatch } from "./watch.js";

type Adversary = (typeof ADVERSARIES)[number];

/** Without a word about privacy in the plan, the whole training stays below this ε … */
export const DEFAULT_EPSILON = 4;
/** … at this δ. */
export const DEFAULT_DELTA = 1e-5;
/** L2 bound of one participant's update where the plan names none. */
export const DEFAULT_CLIP_NORM = 1;
/** The smallest cohort, as a part of the target, where the plan names none. */
const DEFAULT_MINIMUM_SHARE = 0.8;

/** What all releases about a population may cost each participant together. */
export interface PrivacyCap {
  readonly epsilon: number;
  readonly delta: number;
}

/** How the noise was chosen: given as such, or to be found for a total. */
export type NoiseChoice =
  | { readonly type: "multiplier"; readonly noiseMultiplier: number }
  | { readonly type: "target"; readonly epsilon: number; readonly delta: number };

/** How the clip norm follows the updates' own norms (Andrew et al. 2021). */
export interface PlanAdaptiveClipping {
  readonly targetQuantile: number;
  readonly learningRate: number;
  /** Null: a twentieth of the cohort, or as much as the updates' noise multiplier where that is more. */
  readonly countNoiseStdDev: number | null;
}

/** A run of DP-FTRL: all training rounds of the plan. */
export interface PlanRun {
  readonly strategy: MatrixStrategy;
  readonly minSeparation: number;
  readonly maxParticipations: number;
}

/** What each device does in a round of example-level training. */
export interface PlanExamples {
  /** L2 norm of one example's gradient. */
  readonly clipNorm: number;
  readonly samplingProbability: number;
  readonly steps: number;
  readonly lotSize: number;
}

export type PlanPrivacy =
  | {
      readonly mechanism: "none";
      readonly unit: "participant";
      readonly reason: string;
      /** Null when updates are not clipped either. */
      readonly clipNorm: number | null;
      readonly bits: number;
    }
  | {
      readonly mechanism: Exclude<Mechanism, "none">;
      readonly unit: (typeof UNITS)[number];
      /** Of a whole update; where the clip adapts, of the first round's. */
      readonly clipNorm: number;
      /** Null where the clip stays as it is. */
      readonly adaptiveClipping: PlanAdaptiveClipping | null;
      /** With dp-ftrl. */
      readonly run: PlanRun | null;
      /** With dp-sgd. */
      readonly examples: PlanExamples | null;
      readonly noise: NoiseChoice;
      /** Width of a quantised coordinate on the wire. */
      readonly bits: number;
    };

export type PlanSecureAggregation =
  | {
      readonly enabled: true;
      /** Null: the complete graph for small groups, a sparse one for large. */
      readonly graph: "complete" | "harary" | null;
      readonly groupTarget: number;
      readonly corruptFraction: number;
      readonly dropoutFraction: number;
      readonly adversary: Adversary;
    }
  | { readonly enabled: false; readonly reason: string };

export interface PlanEvaluation {
  readonly metric: string;
  /** After every so many training rounds, and after the last. */
  readonly every: number;
  /** How many evaluations that makes. */
  readonly count: number;
  /** Coordinates of the vector that each participant reports. */
  readonly length: number;
  readonly clipNorm: number;
  /** Part of the budget that all evaluations together may use, as zero-concentrated privacy. */
  readonly budgetShare: number;
  readonly settings: Settings;
}

/** Plain data: it survives a round trip through JSON. */
export interface PopulationPlan {
  readonly population: string;
  readonly controller: string;
  readonly purpose: string;
  readonly notice: {
    /** Absolute path of the file. */
    readonly file: string;
    readonly mediaType: string;
    readonly uri: string;
    /** Of the exact bytes shown, base64url. */
    readonly sha256: string;
  };
  readonly language: string;
  readonly dataCategories: readonly string[];
  /** Null when the plan has no privacy mechanism: then there is nothing that bounds. */
  readonly cap: PrivacyCap | null;
  readonly model: {
    readonly tensors: readonly TensorShape[];
    readonly parameters: number;
    readonly init: (typeof INITIALISATIONS)[number];
    /** Of the initialisation. */
    readonly seed: number;
  };
  readonly trainer: { readonly id: string; readonly settings: Settings };
  /** Training rounds; 0 where the plan asks queries instead. */
  readonly rounds: number;
  /** Whether a released model goes to devices by itself, or when an operator says so. */
  readonly release: "automatic" | "manual";
  readonly cohort: { readonly target: number; readonly minimum: number; readonly overSelection: number };
  readonly deadlines: { readonly selectionMs: number; readonly reportMs: number };
  readonly privacy: PlanPrivacy;
  readonly secureAggregation: PlanSecureAggregation;
  readonly strategy: { readonly id: string; readonly settings: Settings };
  /** Null when the plan asks for none. */
  readonly evaluation: PlanEvaluation | null;
  /** Null where it does nothing by itself because of what others answer. */
  readonly watch: PlanWatch | null;
  /** Null where the plan trains a model. */
  readonly analytics: PlanAnalytics | null;
  /** Null: no limit of this kind beside the cap. A consent may set a lower one for its giver. */
  readonly participantLimits: { readonly epsilon: number | null; readonly rounds: number | null };
  /** Null where the plan describes none. */
  readonly simulation: WrittenSimulation | null;
}

/** The notice of a plan as it was read. */
export interface NoticeFile {
  readonly path: string;
  readonly mediaType: string;
  readonly sha256: string;
}

function capOf({ privacy, policy }: WrittenPlan): PrivacyCap | null {
  if (privacy.mechanism === "none") return null;
  return policy ?? { epsilon: privacy.epsilon ?? DEFAULT_EPSILON, delta: privacy.delta ?? DEFAULT_DELTA };
}

function noiseOf({ privacy }: WrittenPlan, cap: PrivacyCap): NoiseChoice {
  if (privacy.noiseMultiplier !== undefined) {
    return { type: "multiplier", noiseMultiplier: privacy.noiseMultiplier };
  }
  // Where the plan says nothing, the noise is chosen to use the cap and no more.
  return { type: "target", epsilon: privacy.epsilon ?? cap.epsilon, delta: privacy.delta ?? cap.delta };
}

function privacyOf(plan: WrittenPlan, cap: PrivacyCap | null): PlanPrivacy {
  const { mechanism, reason, clipNorm, bits, adaptiveClipping, examples } = plan.privacy;
  if (mechanism === "none" || cap === null) {
    return { mechanism: "none", unit: "participant", reason: reason ?? "", clipNorm: clipNorm ?? null, bits };
  }
  return {
    mechanism,
    unit: mechanism === "dp-sgd" ? "example" : "participant",
    clipNorm: clipNorm ?? DEFAULT_CLIP_NORM,
    noise: noiseOf(plan, cap),
    bits,
    adaptiveClipping:
      adaptiveClipping === undefined
        ? null
        : { ...adaptiveClipping, countNoiseStdDev: adaptiveClipping.countNoiseStdDev ?? null },
    run: runOf(plan),
    examples: examples ?? null,
  };
}

/** Buffers of a BLT factorisation where the plan names no number. */
const DEFAULT_BUFFERS = 4;
/** Bands, and with them vectors kept, where the plan names no number: the separation, but not more than this. */
const MOST_DEFAULT_BANDS = 8;

function runOf({ privacy: { factorisation }, rounds }: WrittenPlan): PlanRun | null {
  if (factorisation === undefined) return null;
  const { type, minSeparation, maxParticipations, bands, coefficients, buffers, bufferDecay, outputScale } =
    factorisation;
  const own: MatrixStrategy =
    bufferDecay !== undefined && outputScale !== undefined
      ? { type: "blt", bufferDecay, outputScale }
      : bltSquareRoot(buffers ?? DEFAULT_BUFFERS);
  const banded: MatrixStrategy =
    coefficients === undefined
      ? bandedSquareRoot(bands ?? Math.min(minSeparation, MOST_DEFAULT_BANDS))
      : { type: "banded", coefficients };
  const strategy = type === "blt" ? own : banded;
  return { strategy, minSeparation, maxParticipations: maxParticipations ?? Math.ceil(rounds / minSeparation) };
}

function tensorsOf({ model }: WrittenPlan): readonly TensorShape[] {
  if (model.tensors === undefined) return [{ name: "parameters", shape: [model.parameters ?? 0] }];
  return Object.entries(model.tensors).map(([name, shape]) => ({ name, shape }));
}

function secureAggregationOf({ secureAggregation: written }: WrittenPlan): PlanSecureAggregation {
  if (!written.enabled) return { enabled: false, reason: written.reason ?? "" };
  return {
    enabled: true,
    graph: written.graph ?? null,
    groupTarget: written.groupTarget ?? DEFAULT_GROUP_TARGET,
    corruptFraction: written.corruptFraction ?? DEFAULT_CORRUPT_FRACTION,
    dropoutFraction: written.dropoutFraction ?? DEFAULT_DROPOUT_FRACTION,
    adversary: written.adversary ?? "semi-malicious",
  };
}

/** Bins of a score for true and for false rows, where a plan names none. */
const SCORE_BINS = 32;

/** How long the vector of each participant is, and, where it is no matter of the app's, what its trainer puts into it. */
function reportOf({ metric, length, settings }: NonNullable<WrittenPlan["evaluation"]>) {
  if (metric === "ranking") return { length: length ?? 3, settings };
  if (metric !== "auc") return { length: length ?? 2, settings };
  return { length: length ?? 2 * SCORE_BINS, settings: { ...settings, report: "scores" } };
}

/** Fills in what the file leaves to the defaults. All of them are on the private side. */
export function completePlan(written: WrittenPlan, notice: NoticeFile): PopulationPlan {
  const { population, controller, purpose, language, dataCategories, rounds, cohort, deadlines, evaluation } = written;
  const cap = capOf(written);
  const tensors = tensorsOf(written);
  const every = evaluation?.every ?? rounds;
  return {
    population,
    controller,
    purpose,
    notice: {
      file: notice.path,
      mediaType: notice.mediaType,
      uri: written.notice.uri ?? `urn:fedloop:notice:${notice.sha256}`,
      sha256: notice.sha256,
    },
    language,
    dataCategories,
    cap,
    model: {
      tensors,
      parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      init: written.model.init,
      seed: written.model.seed,
    },
    trainer: written.trainer,
    rounds: written.trainer.id === ANALYTICS_TRAINER ? 0 : rounds,
    release: written.release,
    cohort: {
      target: cohort.target,
      minimum: cohort.minimum ?? Math.ceil(cohort.target * DEFAULT_MINIMUM_SHARE),
      overSelection: cohort.overSelection,
    },
    deadlines: { selectionMs: deadlines.selection, reportMs: deadlines.report },
    privacy: privacyOf(written, cap),
    secureAggregation: secureAggregationOf(written),
    strategy: written.strategy,
    evaluation:
      evaluation === undefined
        ? null
        : {
            ...evaluation,
            ...reportOf(evaluation),
            every,
            count: Math.ceil(rounds / every),
          },
    watch: written.watch ?? null,
    analytics: written.analytics === undefined ? null : completeAnalytics(written.analytics),
    participantLimits: {
      epsilon: written.participantLimits.epsilon ?? null,
      rounds: written.participantLimits.rounds ?? null,
    },
    simulation: written.simulation ?? null,
  };
}
