import { type DistributedMechanism, distributedMechanism } from "@fedloop/privacy";
import { type SecAggParameters, secAggParameters } from "@fedloop/privacy/secagg";
import { LedgerError } from "../errors.js";
import { isDistributed, type RoundMechanism, type RoundPlan, type SecureAggregationPlan } from "./round-plan.js";
import { bytesOf } from "./scalars.js";

/**
 * What a plan entry says about secure aggregation, as the protocol's own parameters. Coordinator and devices both come
 * by them here and nowhere else: everything, the session's name included, follows from the entry, so that masks of
 * devices that were shown different plans or models do not cancel.
 *
 * @param plan with secure aggregation enabled
 * @param leafHash of the plan's entry, 32 bytes
 * @throws LedgerError BAD_ENTRY for a plan without secure aggregation
 * @throws SecAggError BAD_PARAMETERS naming the field
 */
export function secureParametersOf(plan: RoundPlan, leafHash: Uint8Array): SecAggParameters {
  const { parameters } = plan.secureAggregation;
  if (parameters === undefined) {
    throw new LedgerError("BAD_ENTRY", "A plan with secure aggregation was expected, one without came.");
  }
  const { graph, adversary } = parameters;
  return secAggParameters({
    session: leafHash,
    round: plan.round,
    planHash: leafHash,
    modelHash: bytesOf(plan.model.sha256, 32),
    length: plan.update.length,
    bits: parameters.bits,
    valueBound: parameters.valueBound,
    // Only noise that is drawn on the devices has no bound.
    overflow: isDistributed(plan.privacy.mechanism) ? "improbable" : "impossible",
    graph:
      graph === "complete"
        ? { type: "complete" }
        : {
            type: "harary",
            corruptFraction: Number(parameters.corruptFraction),
            dropoutFraction: Number(parameters.dropoutFraction),
            adversary,
          },
    minimumMembers: parameters.minimumMembers,
    maximumMembers: parameters.maximumMembers,
    minimumSurvivors: parameters.minimumSurvivors,
  });
}

/** What noise on the devices follows from. */
export interface DistributedChoice {
  readonly mechanism: RoundMechanism;
  readonly clipNorm: number;
  readonly noiseMultiplier: number;
  /** Numbers that training makes. */
  readonly dimension: number;
  readonly groups: Omit<SecureAggregationPlan, "valueBound">;
}

/**
 * The noise that each device adds, so that what its group's fewest survivors are sure to add protects the group's sum
 * by itself: the coordinator sees every group's sum.
 *
 * @returns null for a mechanism without noise on the devices
 * @throws PrivacyError INVALID_PARAMETER, OUT_OF_RANGE when the bits are too few
 */
export function distributedMechanismFor(choice: DistributedChoice): DistributedMechanism | null {
  const { mechanism, clipNorm, noiseMultiplier, dimension, groups } = choice;
  if (mechanism !== "distributed-discrete-gaussian" && mechanism !== "distributed-skellam") return null;
  return distributedMechanism({
    noise: mechanism === "distributed-skellam" ? "skellam" : "discrete-gaussian",
    clipNorm,
    noiseMultiplier,
    bits: groups.bits,
    dimension,
    // The modulus holds the largest group's sum, the noise suffices in the smallest's.
    cohort: groups.maximumMembers,
    corruptFraction: Number(groups.corruptFraction),
    dropoutFraction: 1 - groups.minimumSurvivors / groups.maximumMembers,
  });
}

/** The same from a plan's entry. */
export function distributedMechanismOf({ privacy, update, secureAggregation }: RoundPlan): DistributedMechanism | null {
  const { parameters: groups } = secureAggregation;
  if (groups === undefined || update.dimension === undefined) return null;
  const { mechanism } = privacy;
  const clipNorm = Number(privacy.clipNorm);
  const noiseMultiplier = Number(privacy.noiseMultiplier);
  return distributedMechanismFor({ mechanism, clipNorm, noiseMultiplier, dimension: update.dimension, groups });
}
