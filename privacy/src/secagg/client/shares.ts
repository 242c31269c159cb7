import type { DeviceCrypto } from "../crypto/device-crypto.js";
import { agree, KEY_BYTES } from "../crypto/key-agreement.js";
import { NONCE_BYTES } from "../crypto/share-cipher.js";
import { encodeEnvelope, SHARE_BYTES } from "../envelope.js";
import type { MaskGraph } from "../graph/graph.js";
import type { NeighbourKeys, NeighbourList, SealedShares, ShareDeal } from "../messages.js";
import { Secret, Turn } from "../secret.js";
import { shareSecret } from "../shamir/shamir.js";
import { selfMaskCommitment, shareAad, shareCommitment, shareEncryptionKey } from "../transcript.js";
import { answerOnce, type DeviceState, type DeviceStep } from "./answer-once.js";
import type { DeviceSetup, KeysState, SecretKeyPair } from "./keys.js";
import { checkNeighbourList } from "./neighbour-list.js";

/** A neighbour and the key under which it and this device send each other shares. */
export interface Neighbour extends NeighbourKeys {
  readonly encryptionKey: Secret;
}

/** The device has dealt its shares and waits for its neighbours'. */
export interface SharesState extends DeviceState {
  readonly type: "shares";
  readonly setup: DeviceSetup;
  readonly graph: MaskGraph;
  readonly member: number;
  readonly neighbours: readonly Neighbour[];
  readonly mask: SecretKeyPair;
  /** The seed b of the mask that only this device adds. */
  readonly selfMask: Secret;
  /** In a complete graph, this device's share of its own seed. */
  readonly ownShare: Secret | undefined;
}

/**
 * Second step: checks the neighbours, then deals each holder one share of the mask key and one of the self-mask seed,
 * encrypted for it alone.
 *
 * @throws SecAggError as `checkNeighbourList`
 */
export function dealShares(
  state: KeysState,
  list: NeighbourList,
  crypto: DeviceCrypto,
): Promise<DeviceStep<SharesState, ShareDeal>> {
  return answerOnce(state, "shares", async () => {
    const graph = await checkNeighbourList(state, list, crypto.verifier);
    const { parameters } = state.setup;
    const neighbours = await withEncryptionKeys(state, list, crypto);
    const seed = new Uint8Array(KEY_BYTES);
    crypto.random.fill(seed);
    const selfMask = new Secret(seed);
    const holders = graph.holders(list.member);
    const sharing = { holders: holders.length, threshold: graph.threshold };
    const selfMaskShares = shareSecret(selfMask.bytes, sharing, crypto.random);
    const maskKeyShares = shareSecret(state.mask.secretKey.bytes, sharing, crypto.random);
    const shares = neighbours.map((neighbour): SealedShares => {
      const position = holders.indexOf(neighbour.member);
      const [selfMaskShare, maskKeyShare] = [selfMaskShares[position], maskKeyShares[position]];
      if (selfMaskShare === undefined || maskKeyShare === undefined)
        throw new RangeError("A neighbour holds no share.");
      return {
        member: neighbour.member,
        envelope: sealShares(state, list.member, neighbour, { selfMaskShare, maskKeyShare }, crypto),
      };
    });
    const ownShareBytes = selfMaskShares[holders.indexOf(list.member)];
    const ownShare = ownShareBytes === undefined ? undefined : new Secret(new Uint8Array(ownShareBytes));
    for (const share of [...selfMaskShares, ...maskKeyShares]) share.fill(0);
    state.encryption.secretKey.erase();
    const secrets = [state.mask.secretKey, selfMask, ...neighbours.map((neighbour) => neighbour.encryptionKey)];
    if (ownShare !== undefined) secrets.push(ownShare);
    return {
      state: {
        type: "shares",
        setup: state.setup,
        graph,
        member: list.member,
        neighbours,
        mask: state.mask,
        selfMask,
        ownShare,
        turn: new Turn(),
        secrets,
      },
      message: { selfMaskCommitment: selfMaskCommitment(parameters, selfMask.bytes), shares },
    };
  });
}

async function withEncryptionKeys(
  state: KeysState,
  list: NeighbourList,
  crypto: Pick<DeviceCrypto, "keyAgreement" | "hkdf">,
): Promise<Neighbour[]> {
  const own = { secretKey: state.encryption.secretKey.bytes, publicKey: state.encryption.publicKey };
  const publicKeys = list.neighbours.map((neighbour) => neighbour.encryptionPublicKey);
  const sharedSecrets = await agree(crypto.keyAgreement, own, publicKeys);
  return list.neighbours.map((neighbour, i) => {
    const sharedSecret = sharedSecrets[i] ?? new Uint8Array(KEY_BYTES);
    const key = shareEncryptionKey(
      state.setup.parameters,
      sharedSecret,
      state.encryption.publicKey,
      neighbour.encryptionPublicKey,
      crypto.hkdf,
    );
    sharedSecret.fill(0);
    return { ...neighbour, encryptionKey: new Secret(key) };
  });
}

function sealShares(
  state: KeysState,
  dealer: number,
  holder: Neighbour,
  { selfMaskShare, maskKeyShare }: { readonly selfMaskShare: Uint8Array; readonly maskKeyShare: Uint8Array },
  crypto: Pick<DeviceCrypto, "random" | "shareCipher">,
): Uint8Array {
  const { parameters } = state.setup;
  const selfMask = shareCommitment(parameters, "self-mask", dealer, holder.member, selfMaskShare);
  const maskKey = shareCommitment(parameters, "mask-key", dealer, holder.member, maskKeyShare);
  const plaintext = new Uint8Array(2 * SHARE_BYTES);
  plaintext.set(selfMaskShare, 0);
  plaintext.set(maskKeyShare, SHARE_BYTES);
  const nonce = new Uint8Array(NONCE_BYTES);
  crypto.random.fill(nonce);
  const aad = shareAad(parameters, dealer, holder.member, { selfMask, maskKey });
  const sealed = crypto.shareCipher.seal(holder.encryptionKey.bytes, nonce, plaintext, aad);
  plaintext.fill(0);
  return encodeEnvelope({ selfMaskCommitment: selfMask, maskKeyCommitment: maskKey, nonce, sealed });
}
