import type { SignatureVerifier } from "../crypto/signatures.js";
import { SecAggError } from "../errors.js";
import type { MaskGraph } from "../graph/graph.js";
import type { MaskAccumulator } from "../masking/accumulator.js";
import type { KeyAdvertisement } from "../messages.js";
import type { SecAggParameters } from "../parameters.js";

/** One device of the cohort; its number is its position in the list of members. */
export interface Member {
  /** Ed25519, 32 bytes. */
  readonly devicePublicKey: Uint8Array;
  readonly advertisement: KeyAdvertisement;
}

/** The cohort, once it is fixed. */
export interface Cohort {
  readonly parameters: SecAggParameters;
  readonly graph: MaskGraph;
  readonly members: readonly Member[];
  readonly verifier: SignatureVerifier;
  /** Makes the sum of the masked vectors; one of this process's own unless given. */
  readonly accumulator?: (() => MaskAccumulator) | undefined;
}

/**
 * A member by its number.
 *
 * @throws SecAggError UNKNOWN_MEMBER
 */
export function memberAt(members: readonly Member[], number: number): Member {
  const member = members[number];
  if (member === undefined) {
    throw new SecAggError("UNKNOWN_MEMBER", `Members are 0 to ${members.length - 1}; ${number} came.`);
  }
  return member;
}
