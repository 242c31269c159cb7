import { distributedMechanismFor, formatDecimal } from "@fedloop/consent";
import {
  centralGaussian,
  type DpEvent,
  LARGEST_INTEGER_NORM,
  matrixMechanism,
  type Quantisation,
  quantisationFor,
  roundedNormBound,
} from "@fedloop/privacy";
import { maskGraph, SecAggError } from "@fedloop/privacy/secagg";
import { CoordinatorError } from "../errors.js";
import type { PlanPrivacy, PlanRun, PlanSecureAggregation, PopulationPlan } from "../plan/population-plan.js";
import { type GroupSizes, groupSizes } from "../plan/secure-groups.js";
import type { UpdateFormat } from "./aggregator.js";
import type { RoundNoise, RoundSpec } from "./round-spec.js";

/** What both kinds of rounds make of a plan's noise, clip and secure aggregation. */
export interface RoundEncoding {
  readonly mechanism: RoundNoise | null;
  readonly format: UpdateFormat;
  readonly secureAggregation: RoundSpec["secureAggregation"];
}

export interface EncodingChoice {
  /** What noise the coordinator or the devices add to the sum. */
  readonly mechanism: Exclude<PlanPrivacy["mechanism"], "dp-sgd">;
  readonly run: PlanRun | null;
  /** By how many norm bounds one unit can change the sum. */
  readonly changes: 1 | 2;
  readonly length: number;
  readonly clipNorm: number;
  readonly noiseMultiplier: number;
  /** Width of a coordinate on the wire. */
  readonly bits: number;
}

/**
 * Without secure aggregation a noised update fills its bits, and one without noise travels as plain floats. With it
 * the bits have to hold the sum of a whole group: each device's part of the range is its norm bound.
 *
 * @throws CoordinatorError BAD_PLAN, PrivacyError when the bits are too few
 */
export function encodingOf(plan: PopulationPlan, choice: EncodingChoice): RoundEncoding {
  const { length, clipNorm, noiseMultiplier, bits } = choice;
  const noised = choice.mechanism !== "none";
  const { secureAggregation } = plan;
  if (!secureAggregation.enabled) {
    const filled = (): Quantisation =>
      centralGaussian({ clipNorm, noiseMultiplier: 1, bits, dimension: length }).quantisation;
    const mechanism = noised ? sumNoise(plan, choice, filled()) : null;
    return {
      mechanism,
      format: formatOf(mechanism, length),
      secureAggregation: { enabled: false, reason: secureAggregation.reason },
    };
  }
  const sizes = groupSizes(plan.cohort, secureAggregation);
  requireGraph(sizes, secureAggregation);
  const groups = {
    ...sizes,
    corruptFraction: formatDecimal(secureAggregation.corruptFraction),
    dropoutFraction: formatDecimal(secureAggregation.dropoutFraction),
    adversary: secureAggregation.adversary,
    bits,
  };
  const distributed =
    choice.mechanism === "none"
      ? null
      : distributedMechanismFor({ mechanism: choice.mechanism, clipNorm, noiseMultiplier, dimension: length, groups });
  if (distributed !== null) {
    return {
      mechanism: { at: "devices", ...distributed },
      format: { length: distributed.length, encoding: "quantised", quantisation: distributed.quantisation },
      secureAggregation: { enabled: true, parameters: { ...groups, valueBound: distributed.valueBound } },
    };
  }
  const largest = Math.floor((2 ** (bits - 1) - 1) / sizes.maximumMembers);
  const quantisation = sharedQuantisation({ length, clipNorm, bits, largest, members: sizes.maximumMembers, noised });
  return {
    mechanism: noised ? sumNoise(plan, choice, quantisation) : null,
    format: { length, encoding: "quantised", quantisation },
    secureAggregation: {
      enabled: true,
      parameters: { ...groups, valueBound: quantisation.integerNormBound },
    },
  };
}

/** The noise that the coordinator adds to sums of so rounded updates: anew in each round, or as a step of a run. */
function sumNoise({ rounds }: PopulationPlan, choice: EncodingChoice, quantisation: Quantisation): RoundNoise {
  const { run, changes, clipNorm, noiseMultiplier, bits, length: dimension } = choice;
  if (run !== null) {
    const parameters = { ...run, steps: rounds, clipNorm, noiseMultiplier, bits, dimension, quantisation };
    return { at: "run", clipNorm, noiseMultiplier, ...matrixMechanism(parameters) };
  }
  const sensitivity = changes * quantisation.integerNormBound;
  const noiseStdDev = noiseMultiplier * sensitivity;
  const event: DpEvent = { type: "DiscreteGaussian", sigma: noiseStdDev, sensitivity, dimension };
  return { at: "coordinator", quantisation, clipNorm, noiseMultiplier, noiseStdDev, event };
}

/**
 * Integers of which a whole group's sum fits. Without noise the grain is a power of two: sums are then exact in
 * floating point, too.
 */
function sharedQuantisation(choice: {
  readonly length: number;
  readonly clipNorm: number;
  readonly bits: number;
  readonly largest: number;
  readonly members: number;
  readonly noised: boolean;
}): Quantisation {
  const { length, clipNorm, bits, largest, members, noised } = choice;
  if (roundedNormBound(0, length) >= largest) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `privacy.bits: expected bits that hold the sum of ${members} updates of ${length} coordinates, came ${bits}: ` +
        `${largest} integer steps are left to each, and rounding alone needs ${Math.ceil(roundedNormBound(0, length))}; ` +
        "raise privacy.bits, or lower secureAggregation.groupTarget",
    );
  }
  const finest = quantisationFor(clipNorm, Math.min(largest, LARGEST_INTEGER_NORM), length, bits);
  if (noised) return finest;
  const granularity = 2 ** Math.ceil(Math.log2(finest.granularity));
  return { granularity, integerNormBound: Math.ceil(roundedNormBound(clipNorm / granularity, length)), bits };
}

/** A sparse graph must exist for every group that may come. */
function requireGraph(
  { graph, minimumMembers, maximumMembers }: GroupSizes,
  { corruptFraction, dropoutFraction, adversary }: Extract<PlanSecureAggregation, { readonly enabled: true }>,
): void {
  if (graph === "complete") return;
  try {
    for (const members of [minimumMembers, maximumMembers]) {
      maskGraph({ type: "harary", corruptFraction, dropoutFraction, adversary }, members);
    }
  } catch (cause) {
    if (!(cause instanceof SecAggError)) throw cause;
    throw new CoordinatorError("BAD_PLAN", `secureAggregation: ${cause.message}`, { cause });
  }
}

/** Noise sits on integers, so a noised update is quantised; one without noise travels as plain floats. */
function formatOf(mechanism: RoundNoise | null, length: number): UpdateFormat {
  return mechanism === null
    ? { length, encoding: "float32", quantisation: { granularity: 1, integerNormBound: 1, bits: 32 } }
    : { length, encoding: "quantised", quantisation: mechanism.quantisation };
}
