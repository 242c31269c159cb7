import type { SecureAggregationPlan } from "@fedloop/consent";
import type { CentralGaussian, DistributedMechanism, DpEvent } from "@fedloop/privacy";
import type { RoundKind } from "../store/database.js";
import type { UpdateFormat } from "./aggregator.js";
import type { RoundCost } from "./budget.js";

/** Noise that the coordinator adds to the sum, or that the devices have added before. */
export type RoundNoise =
  | ({ readonly at: "coordinator" } & CentralGaussian)
  | ({ readonly at: "devices" } & DistributedMechanism);

/** What one round of a population's plan will do: everything about it that does not depend on the state of the world. */
export interface RoundSpec {
  readonly kind: RoundKind;
  readonly purpose: string;
  readonly trainer: { readonly id: string; readonly settings: Readonly<Record<string, string | number | boolean>> };
  readonly format: UpdateFormat;
  /** Clip, noise and their calibration; null when the plan says, with its reason, that there is none. */
  readonly mechanism: RoundNoise | null;
  readonly event: DpEvent;
  /** L2 bound that devices keep to, with a mechanism or without. */
  readonly clipNorm: number;
  readonly noPrivacyReason: string | null;
  readonly secureAggregation:
    | { readonly enabled: false; readonly reason: string }
    | { readonly enabled: true; readonly parameters: SecureAggregationPlan };
  readonly divisor: number;
  readonly cohort: { readonly target: number; readonly minimum: number; readonly overSelection: number };
  readonly deadlines: { readonly selectionMs: number; readonly reportMs: number };
}

/** What a round that is made by this costs. */
export function costOf({ event }: RoundSpec): RoundCost {
  return { event, run: null };
}
