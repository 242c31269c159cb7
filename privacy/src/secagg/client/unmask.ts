import type { SignatureVerifier } from "../crypto/signatures.js";
import { SecAggError } from "../errors.js";
import { requireMembers } from "../members.js";
import type { SurvivorConfirmations, UnmaskAnswer, UnmaskShare } from "../messages.js";
import { survivorsTranscript } from "../transcript.js";
import { answerOnce } from "./answer-once.js";
import type { ConsistencyState } from "./consistency.js";

/**
 * Last step: once enough neighbours have signed the same survivor set, reveals one share of each dealer (the self
 * mask's of a survivor, the mask key's of one that is gone) and erases them all.
 *
 * @throws SecAggError UNKNOWN_MEMBER, DUPLICATE_MEMBER, BAD_SIGNATURE, TOO_FEW_SIGNATURES
 */
export function revealShares(
  state: ConsistencyState,
  confirmations: SurvivorConfirmations,
  crypto: { readonly verifier: SignatureVerifier },
): Promise<UnmaskAnswer> {
  return answerOnce(state, "unmask", async () => {
    await checkConfirmations(state, confirmations, crypto.verifier);
    const alive = new Set(state.survivors);
    const shares: UnmaskShare[] = [];
    for (const { dealer, selfMask, maskKey } of state.held) {
      if (alive.has(dealer)) shares.push({ member: dealer, type: "self-mask", share: new Uint8Array(selfMask.bytes) });
      else if (maskKey) shares.push({ member: dealer, type: "mask-key", share: new Uint8Array(maskKey.bytes) });
    }
    for (const secret of state.secrets) secret.erase();
    return { shares: shares.sort((a, b) => a.member - b.member) };
  });
}

async function checkConfirmations(
  state: ConsistencyState,
  { signatures }: SurvivorConfirmations,
  verifier: SignatureVerifier,
): Promise<void> {
  requireMembers(
    signatures.map(({ member }) => member),
    state.graph.members,
  );
  const alive = new Set(state.survivors);
  const transcript = survivorsTranscript(state.setup.parameters, state.survivors);
  // A device counts itself only where it is a holder of its own shares.
  let count = state.graph.holders(state.member).includes(state.member) ? 1 : 0;
  await Promise.all(
    signatures.map(async ({ member, signature }) => {
      const key = state.deviceKeys.get(member);
      if (key === undefined || !alive.has(member)) {
        throw new SecAggError("UNKNOWN_MEMBER", `Member ${member} is no surviving neighbour of this device.`);
      }
      if (!(await verifier.verify(key, transcript, signature))) {
        throw new SecAggError("BAD_SIGNATURE", `Member ${member} did not sign the survivor set that this device saw.`);
      }
      count++;
    }),
  );
  if (count < state.graph.threshold) {
    throw new SecAggError(
      "TOO_FEW_SIGNATURES",
      `${state.graph.threshold} devices must have signed this survivor set; ${count} did. Leave the round.`,
    );
  }
}
