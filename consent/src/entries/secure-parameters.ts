import { type SecAggParameters, secAggParameters } from "@fedloop/privacy/secagg";
import { LedgerError } from "../errors.js";
import type { RoundPlan } from "./round-plan.js";
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
    overflow: plan.privacy.noiseAt === "devices" ? "improbable" : "impossible",
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
