import { hex, requirePublicKey } from "../crypto/key-agreement.js";
import type { SignatureVerifier } from "../crypto/signatures.js";
import { SecAggError } from "../errors.js";
import { type MaskGraph, maskGraph } from "../graph/graph.js";
import { requireMembers, sameMembers } from "../members.js";
import type { NeighbourList } from "../messages.js";
import { advertisementTranscript } from "../transcript.js";
import type { KeysState } from "./keys.js";

/**
 * Everything a device checks about its neighbours before it gives anything away: that the cohort is large enough, that
 * the graph and the threshold are those the plan's policy gives for this cohort, that everybody is there once with keys
 * of their own, and that each neighbour's device signed its keys for this session, round and plan.
 *
 * @throws SecAggError BELOW_MINIMUM_COHORT, WRONG_GRAPH, UNKNOWN_MEMBER, DUPLICATE_MEMBER, DUPLICATE_KEY,
 *   LOW_ORDER_KEY, MALFORMED, BAD_SIGNATURE
 */
export async function checkNeighbourList(
  state: KeysState,
  list: NeighbourList,
  verifier: SignatureVerifier,
): Promise<MaskGraph> {
  const graph = checkGraph(state, list);
  checkKeys(state, list);
  const valid = await Promise.all(
    list.neighbours.map((neighbour) =>
      verifier.verify(
        neighbour.devicePublicKey,
        advertisementTranscript(state.setup.parameters, neighbour),
        neighbour.signature,
      ),
    ),
  );
  const bad = list.neighbours.filter((_, i) => !valid[i]).map((neighbour) => neighbour.member);
  if (bad.length > 0) {
    throw new SecAggError(
      "BAD_SIGNATURE",
      `Keys of member ${bad.join(", ")} are not signed by its device for this session, round and plan. Leave the round.`,
    );
  }
  return graph;
}

function checkGraph({ setup }: KeysState, list: NeighbourList): MaskGraph {
  const { parameters } = setup;
  const floor = Math.max(parameters.minimumMembers, setup.minimumMembers);
  if (!(Number.isSafeInteger(list.cohortSize) && list.cohortSize >= floor)) {
    throw new SecAggError(
      "BELOW_MINIMUM_COHORT",
      `This device takes part from ${floor} members; there are ${list.cohortSize}.`,
    );
  }
  if (list.cohortSize > parameters.maximumMembers) {
    throw new SecAggError(
      "WRONG_GRAPH",
      `The plan has at most ${parameters.maximumMembers} members; ${list.cohortSize} came.`,
    );
  }
  requireMembers([list.member], list.cohortSize);
  const members = list.neighbours.map((neighbour) => neighbour.member);
  requireMembers(members, list.cohortSize);
  const graph = maskGraph(parameters.graph, list.cohortSize);
  if (list.threshold !== graph.threshold) {
    throw new SecAggError("WRONG_GRAPH", `The plan gives a threshold of ${graph.threshold}; ${list.threshold} came.`);
  }
  if (!sameMembers(members, graph.neighbours(list.member))) {
    throw new SecAggError(
      "WRONG_GRAPH",
      `The plan gives member ${list.member} of ${list.cohortSize} other neighbours than the ${members.length} that came.`,
    );
  }
  return graph;
}

function checkKeys(state: KeysState, list: NeighbourList): void {
  const deviceKeys = new Set([hex(state.setup.signer.publicKey)]);
  const agreementKeys = new Set([hex(state.mask.publicKey), hex(state.encryption.publicKey)]);
  for (const neighbour of list.neighbours) {
    requireFresh(deviceKeys, neighbour.devicePublicKey, neighbour.member);
    for (const key of [neighbour.maskPublicKey, neighbour.encryptionPublicKey]) {
      requirePublicKey(key);
      requireFresh(agreementKeys, key, neighbour.member);
    }
  }
}

function requireFresh(seen: Set<string>, key: Uint8Array, member: number): void {
  const name = hex(key);
  if (seen.has(name)) {
    throw new SecAggError("DUPLICATE_KEY", `A key of member ${member} is another member's or this device's own.`);
  }
  seen.add(name);
}
