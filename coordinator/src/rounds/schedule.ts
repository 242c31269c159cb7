import type { TensorShape } from "../models/safetensors.js";
import type { Strategy } from "../strategies/strategy.js";
import type { BudgetCap } from "./budget.js";
import type { RoundSpec } from "./round-spec.js";

/** A population's plan, worked out: every round with its calibrated noise, ready to be driven. */
export interface Schedule {
  readonly population: string;
  readonly purpose: string;
  /** Policy version whose notice was consented to. */
  readonly policy: number;
  /** In order; abandoned ones are tried again under a new number. */
  readonly rounds: readonly RoundSpec[];
  readonly cap: BudgetCap;
  /** Enforced for each participant; a consent may set a lower one for its giver. */
  readonly participantCap: { readonly epsilon: number; readonly rounds: number };
  /** Whether released models go to devices by themselves. */
  readonly releases: "automatic" | "manual";
  readonly tensors: readonly TensorShape[];
  readonly strategy: Strategy;
  /** Turns the released sum of an evaluation round, and the noise variance of its coordinates, into named metrics. */
  readonly metrics: (
    sum: Float32Array,
    trainerSettings: RoundSpec["trainer"]["settings"],
    noiseVariance: number,
  ) => Readonly<Record<string, number>>;
}
