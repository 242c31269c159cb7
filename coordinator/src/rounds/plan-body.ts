import { type EntryBodies, encodeEvent, formatDecimal, formatEpsilon, type RoundMechanism } from "@fedloop/consent";
import { parameterCount } from "../models/safetensors.js";
import type { EligibleCommitment } from "./eligibility.js";
import type { RunPosition } from "./noise-run.js";
import type { RoundSpec } from "./round-spec.js";
import type { Schedule } from "./schedule.js";

export interface PlanFacts {
  readonly schedule: Schedule;
  readonly spec: RoundSpec;
  readonly round: number;
  readonly eligible: EligibleCommitment;
  readonly model: { readonly sha256: Uint8Array; readonly bytes: number };
  /** The population's ε after the round, a decimal string. */
  readonly epsilonAfter: string;
  /** SHA-256 of the models before, newest first, as many as the round's staleness asks for; none where it asks for none. */
  readonly staleModels: readonly Uint8Array[];
  /** Null for a round by itself. */
  readonly position: RunPosition | null;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** The body of a round.plan entry: all that the round will do, fixed before it starts. */
export function planBody(facts: PlanFacts): EntryBodies["round.plan"] {
  const { schedule, spec, eligible, model } = facts;
  const { mechanism, format } = spec;
  return {
    population: schedule.population,
    round: facts.round,
    kind: spec.kind,
    purpose: spec.purpose,
    policy: schedule.policy,
    consentTreeSize: eligible.treeSize,
    eligible: { count: eligible.count, root: eligible.root },
    sampler: { type: "available" },
    cohort: { ...spec.cohort, overSelection: formatDecimal(spec.cohort.overSelection) },
    deadlines: spec.deadlines,
    trainer: { id: spec.trainer.id, settings: settingsEntry(spec.trainer.settings) },
    model: { sha256: base64url(model.sha256), parameters: parameterCount(schedule.tensors), bytes: model.bytes },
    ...(spec.staleness === null
      ? {}
      : {
          staleness: {
            exponent: formatDecimal(spec.staleness.exponent),
            models: [...new Set([model.sha256, ...facts.staleModels].map(base64url))],
          },
        }),
    update: {
      length: format.length,
      ...(mechanism?.at === "devices" ? { dimension: mechanism.dimension } : {}),
      encoding: format.encoding,
      bits: format.quantisation.bits,
      granularity: formatDecimal(format.quantisation.granularity),
      integerNormBound: format.quantisation.integerNormBound,
    },
    privacy: privacyEntry(facts),
    secureAggregation: spec.secureAggregation.enabled
      ? { enabled: true, reason: null, parameters: spec.secureAggregation.parameters }
      : { enabled: false, reason: spec.secureAggregation.reason },
    reservation: {
      epsilon: facts.epsilonAfter,
      delta: formatDecimal(schedule.cap.delta),
      cap: formatEpsilon(schedule.cap.epsilon),
    },
  };
}

function privacyEntry({ spec, position, schedule }: PlanFacts): EntryBodies["round.plan"]["privacy"] {
  const { mechanism, adaptive, examples, unit } = spec;
  const name = mechanismName(spec);
  return {
    unit,
    adjacency: position !== null || isApart(schedule, spec) ? "replace-special" : "add-or-remove-one",
    mechanism: name,
    noiseAt: noiseAt(name),
    reason: spec.noPrivacyReason,
    clipNorm: formatDecimal(mechanism?.clipNorm ?? spec.clipNorm),
    noiseMultiplier: formatDecimal(mechanism?.noiseMultiplier ?? examples?.noiseMultiplier ?? 0),
    divisor: spec.divisor,
    event: encodeEvent(spec.event),
    ...(adaptive === null
      ? {}
      : {
          adaptiveClipping: {
            clipNorm: formatDecimal(adaptive.clipNorm),
            report: formatDecimal(adaptive.clipNorm * adaptive.reportShare),
            targetQuantile: formatDecimal(adaptive.targetQuantile),
            learningRate: formatDecimal(adaptive.learningRate),
          },
        }),
    ...(position === null
      ? {}
      : { run: { first: position.first === null ? null : base64url(position.first), step: position.step } }),
    ...(examples === null
      ? {}
      : {
          examples: {
            clipNorm: formatDecimal(examples.clipNorm),
            samplingProbability: formatDecimal(examples.samplingProbability),
            steps: examples.steps,
            lotSize: examples.lotSize,
          },
        }),
  };
}

/**
 * Whether groups' sums count each by itself. Who is in which group depends on who is there at all: neighbours are then cohorts
 * of the same people, of whom one contributes nothing.
 */
function isApart({ strategy }: Schedule, { kind, mechanism }: RoundSpec): boolean {
  return strategy.family === "group-sum" && kind === "train" && mechanism !== null;
}

function mechanismName({ mechanism, examples }: RoundSpec): RoundMechanism {
  if (examples !== null) return "dp-sgd";
  switch (mechanism?.at) {
    case undefined:
      return "none";
    case "coordinator":
      return "central-discrete-gaussian";
    case "run":
      return "dp-ftrl";
    case "devices":
      return `distributed-${mechanism.noise}`;
  }
}

function noiseAt(mechanism: RoundMechanism): "coordinator" | "devices" | "none" {
  if (mechanism === "none") return "none";
  return mechanism === "central-discrete-gaussian" || mechanism === "dp-ftrl" ? "coordinator" : "devices";
}

/** Entries hold no floats: a real setting is written as a decimal string. */
function settingsEntry(settings: RoundSpec["trainer"]["settings"]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      typeof value === "number" && !Number.isSafeInteger(value) ? formatDecimal(value) : value,
    ]),
  );
}
