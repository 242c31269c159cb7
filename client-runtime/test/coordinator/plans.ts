import { encodeEvent, formatDecimal, type RoundPlan, sha256Text } from "@fedloop/consent";
import { centralGaussian, type DpEvent } from "@fedloop/privacy";

export const POPULATION = "lecturers";
export const PURPOSE = "rating-model";

/** What a test says about a round; all else is as an honest coordinator has it. */
export interface TestRound {
  readonly kind?: "train" | "evaluate";
  readonly purpose?: string;
  readonly length?: number;
  readonly mechanism?: "central-discrete-gaussian" | "none";
  readonly encoding?: "quantised" | "float32";
  readonly noiseMultiplier?: number;
  readonly clipNorm?: number;
  readonly settings?: Record<string, string | number | boolean>;
  readonly trainer?: string;
  /** Last word on the plan. */
  readonly edit?: (plan: RoundPlan) => RoundPlan;
}

/** What a plan depends on besides the round's own description. */
export interface PlanFacts {
  readonly number: number;
  readonly policy: number;
  readonly consentTreeSize: number;
  /** The model's file. */
  readonly model: Uint8Array;
  /** Decimal string or "unbounded". */
  readonly cap: string;
}

/** An honest plan, as its round then has it edited. */
export function planOf(round: TestRound, facts: PlanFacts): RoundPlan {
  const {
    kind = "train",
    length = 4,
    mechanism = "central-discrete-gaussian",
    clipNorm = 2,
    noiseMultiplier = 4,
  } = round;
  const { encoding = "quantised" } = round;
  const isPrivate = mechanism !== "none";
  const central = centralGaussian({ clipNorm, noiseMultiplier, bits: 18, dimension: length });
  const event: DpEvent = isPrivate ? central.event : { type: "NonPrivate" };
  const plan: RoundPlan = {
    population: POPULATION,
    round: facts.number,
    kind,
    purpose: round.purpose ?? PURPOSE,
    policy: facts.policy,
    consentTreeSize: facts.consentTreeSize,
    eligible: { count: 1, root: sha256Text(new Uint8Array(0)) },
    sampler: { type: "available" },
    cohort: { target: 20, minimum: 10, overSelection: "1" },
    deadlines: { selectionMs: 60_000, reportMs: 60_000 },
    trainer: { id: round.trainer ?? "test", settings: round.settings ?? {} },
    model: { sha256: sha256Text(facts.model), parameters: modelParameters(facts.model), bytes: facts.model.length },
    update: {
      length,
      encoding,
      bits: central.quantisation.bits,
      granularity: formatDecimal(central.quantisation.granularity),
      integerNormBound: central.quantisation.integerNormBound,
    },
    privacy: {
      unit: "participant",
      adjacency: "add-or-remove-one",
      mechanism,
      noiseAt: isPrivate ? "coordinator" : "none",
      reason: isPrivate ? null : "a test",
      clipNorm: formatDecimal(clipNorm),
      noiseMultiplier: isPrivate ? formatDecimal(noiseMultiplier) : "0",
      divisor: 20,
      event: encodeEvent(event),
    },
    secureAggregation: { enabled: false, reason: "a test" },
    reservation: {
      epsilon: isPrivate ? "1" : "unbounded",
      delta: "0.00001",
      cap: facts.cap,
    },
  };
  return round.edit?.(plan) ?? plan;
}

function modelParameters(file: Uint8Array): number {
  const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return (file.length - 8 - headerBytes) / 4;
}
