import type { SecureAggregationPlan } from "@fedloop/consent";
import type { CentralGaussian, DistributedMechanism, DpEvent, MatrixMechanism } from "@fedloop/privacy";
import type { PlanExamples } from "../plan/population-plan.js";
import type { RoundKind } from "../store/database.js";
import type { UpdateFormat } from "./aggregator.js";
import type { RoundCost } from "./budget.js";
import type { RoundQuery } from "./query-rounds.js";

/** Noise on the sum: added by the coordinator, by the devices before, or by the coordinator as a step of a run. */
export type RoundNoise =
  | ({ readonly at: "coordinator" } & Omit<CentralGaussian, "quantisation"> & Pick<UpdateFormat, "quantisation">)
  | ({ readonly at: "devices" } & DistributedMechanism)
  | ({ readonly at: "run"; readonly clipNorm: number; readonly noiseMultiplier: number } & MatrixMechanism);

/** A clip norm that follows the updates' own, in one vector with what devices report of it. */
export interface AdaptiveClip {
  /** L2 norm that the update itself is clipped to in this round; `RoundSpec.clipNorm` is that of update and report. */
  readonly clipNorm: number;
  /** The report's magnitude over the clip norm: the same in every round, and with it the cost. */
  readonly reportShare: number;
  readonly targetQuantile: number;
  readonly learningRate: number;
}

/** Noise that training itself adds, for single examples. */
export interface ExampleLevelSpec extends PlanExamples {
  readonly noiseMultiplier: number;
}

/** Votes, and the settings of a round for each candidate that may win them. */
export interface Tuning {
  readonly query: string;
  readonly candidates: Readonly<Record<string, RoundSpec["trainer"]["settings"]>>;
}

/** What one round of a population's plan will do: everything about it that does not depend on the state of the world. */
export interface RoundSpec {
  readonly kind: RoundKind;
  readonly purpose: string;
  readonly trainer: { readonly id: string; readonly settings: Readonly<Record<string, string | number | boolean>> };
  /** What the round asks; null where it trains or evaluates a model. */
  readonly query: RoundQuery | null;
  /** Which votes, counted before this round, settings follow from. */
  readonly tuning: readonly Tuning[];
  readonly format: UpdateFormat;
  readonly unit: "participant" | "example";
  /** Clip, noise on the sum and their calibration; null where there is none. */
  readonly mechanism: RoundNoise | null;
  readonly adaptive: AdaptiveClip | null;
  /** Where a round closes with so many updates, and those of earlier models count too; null where all are waited for. */
  readonly staleness: { readonly maximum: number; readonly exponent: number } | null;
  /** Null where training adds no noise. */
  readonly examples: ExampleLevelSpec | null;
  readonly event: DpEvent;
  /** L2 bound that devices keep to, with a mechanism or without. */
  readonly clipNorm: number;
  /** Why there is no noise at all; null where there is. */
  readonly noPrivacyReason: string | null;
  readonly secureAggregation:
    | { readonly enabled: false; readonly reason: string }
    | { readonly enabled: true; readonly parameters: SecureAggregationPlan };
  readonly divisor: number;
  readonly cohort: { readonly target: number; readonly minimum: number; readonly overSelection: number };
  readonly deadlines: { readonly selectionMs: number; readonly reportMs: number };
}

/** The run of a round that is about to open one. */
const NEW_RUN = "new";

/**
 * What a round that is made by this costs.
 *
 * @param run the run that it goes on with; left out where it opens one
 */
export function costOf({ event, mechanism }: RoundSpec, run: string = NEW_RUN): RoundCost {
  return { event, run: mechanism?.at === "run" ? run : null };
}
