import { type RoundPlan, secureParametersOf } from "@fedloop/consent";
import { type Adversary, SecAggError, type SecAggParameters } from "@fedloop/privacy/secagg";
import { ClientError, type GuardCode } from "../errors.js";
import type { PrivacyFloors } from "./floors.js";

const STRENGTH: Readonly<Record<Adversary, number>> = { none: 0, "semi-honest": 1, "semi-malicious": 2 };

/** In the complete graph with its threshold of two thirds, fewer than a third of the members may collude. */
const COMPLETE_TOLERANCE = 1 / 3;

function refuse(code: GuardCode, message: string): never {
  throw new ClientError(code, message);
}

/**
 * The parameters of a plan's secure aggregation, once they fit its update and reach the app's floors.
 *
 * @param leafHash of the plan's entry, 32 bytes
 * @param isAble whether the app gave the runtime the cryptography that it takes
 * @returns null for a round without secure aggregation, where the app allows that
 * @throws ClientError GUARD_SECURE_AGGREGATION, GUARD_COHORT, GUARD_CLIP, GUARD_UNSUPPORTED, GUARD_BAD_PLAN
 */
export function checkSecureAggregation(
  plan: RoundPlan,
  leafHash: Uint8Array,
  floors: PrivacyFloors,
  isAble: boolean,
): SecAggParameters | null {
  const { parameters: section } = plan.secureAggregation;
  if (section === undefined) {
    if (!floors.requireSecureAggregation) return null;
    return refuse("GUARD_SECURE_AGGREGATION", "expected secure aggregation, came a round without");
  }
  if (!isAble) {
    refuse(
      "GUARD_UNSUPPORTED",
      "expected a round without secure aggregation, since the app gave no cryptography for it",
    );
  }
  const parameters = parametersOf(plan, leafHash);
  if (plan.update.integerNormBound > parameters.valueBound) {
    refuse("GUARD_CLIP", `expected a value bound that holds the norm bound, came ${parameters.valueBound}`);
  }
  const { graph } = parameters;
  const tolerated = graph.type === "complete" ? COMPLETE_TOLERANCE : graph.corruptFraction;
  const withstood = graph.type === "complete" ? "semi-malicious" : graph.adversary;
  if (tolerated < floors.corruptFraction || STRENGTH[withstood] < STRENGTH[floors.adversary]) {
    refuse(
      "GUARD_SECURE_AGGREGATION",
      `expected masks that hold against a ${floors.adversary} coordinator with ${floors.corruptFraction} of the ` +
        `members, they hold against a ${withstood} one with ${tolerated}`,
    );
  }
  if (parameters.minimumSurvivors < floors.minimumCohort) {
    refuse(
      "GUARD_COHORT",
      `expected sums over at least ${floors.minimumCohort}, they may be over ${parameters.minimumSurvivors}`,
    );
  }
  return parameters;
}

function parametersOf(plan: RoundPlan, leafHash: Uint8Array): SecAggParameters {
  try {
    return secureParametersOf(plan, leafHash);
  } catch (cause) {
    if (!(cause instanceof SecAggError)) throw cause;
    throw new ClientError("GUARD_BAD_PLAN", `expected parameters of secure aggregation: ${cause.message}`, { cause });
  }
}
