import type { DeviceCrypto } from "../crypto/device-crypto.js";
import { agree, KEY_BYTES } from "../crypto/key-agreement.js";
import { decodeEnvelope, SHARE_BYTES } from "../envelope.js";
import { SecAggError } from "../errors.js";
import type { MaskGraph } from "../graph/graph.js";
import { maskAccumulator } from "../masking/choose-accumulator.js";
import { addMasks, type SignedMask } from "../masking/expander.js";
import { requireMembers, sameBytes } from "../members.js";
import type { MaskedVector, SealedShares, ShareDelivery } from "../messages.js";
import type { SecAggParameters } from "../parameters.js";
import { Secret, Turn } from "../secret.js";
import { pairMaskKey, selfMaskKey, shareAad, shareCommitment } from "../transcript.js";
import { answerOnce, type DeviceState, type DeviceStep } from "./answer-once.js";
import type { DeviceSetup } from "./keys.js";
import type { Neighbour, SharesState } from "./shares.js";

/** One dealer's shares, held for the unmask step. */
export interface HeldShares {
  readonly dealer: number;
  readonly selfMask: Secret;
  /** A device keeps no share of its own mask key. */
  readonly maskKey: Secret | undefined;
}

/** The device has sent its masked vector and waits for the survivor set. */
export interface MaskedState extends DeviceState {
  readonly type: "masked";
  readonly setup: DeviceSetup;
  readonly graph: MaskGraph;
  readonly member: number;
  /** Ed25519 keys of the neighbours. */
  readonly deviceKeys: ReadonlyMap<number, Uint8Array>;
  /** Neighbours that this device did not mask with. */
  readonly gone: ReadonlySet<number>;
  readonly held: readonly HeldShares[];
  /** Neighbours whose shares could not be opened, or were not what they were committed to. */
  readonly faultyDealers: readonly number[];
}

/**
 * Third step: opens the neighbours' shares, and masks the vector: y = x + PRG(b) ± Σ PRG(s_uv) mod 2^bits, plus towards
 * higher members. The keys and the seed are erased; from here on only shares are left.
 *
 * @param values one integer a coordinate, at most `valueBound` in absolute value; not kept
 * @throws SecAggError WRONG_LENGTH, OUT_OF_RANGE for the values; UNKNOWN_MEMBER, DUPLICATE_MEMBER, ALIVE_AND_DEAD,
 *   WRONG_GRAPH, TOO_FEW_SHARES for the delivery; CANCELLED
 */
export function maskVector(
  state: SharesState,
  delivery: ShareDelivery,
  values: Int32Array,
  crypto: Pick<DeviceCrypto, "keyAgreement" | "hkdf" | "expander" | "shareCipher">,
  signal?: AbortSignal,
): Promise<DeviceStep<MaskedState, MaskedVector>> {
  return answerOnce(state, "masked", async () => {
    const { parameters } = state.setup;
    checkValues(values, parameters);
    checkDelivery(state, delivery);
    const { held, faultyDealers } = openDelivery(state, delivery, crypto);
    const alive = state.neighbours.filter((neighbour) => !delivery.gone.includes(neighbour.member));
    const masks = await masksWith(state, alive, crypto);
    const sum = maskAccumulator(parameters.length, parameters.bits);
    sum.addValues(values);
    await addMasks(sum, masks, crypto.expander, signal);
    const vector = sum.finishPacked();
    state.mask.secretKey.erase();
    state.selfMask.erase();
    for (const neighbour of state.neighbours) neighbour.encryptionKey.erase();
    return {
      state: {
        type: "masked",
        setup: state.setup,
        graph: state.graph,
        member: state.member,
        deviceKeys: new Map(state.neighbours.map((neighbour) => [neighbour.member, neighbour.devicePublicKey])),
        gone: new Set(delivery.gone),
        held,
        faultyDealers,
        turn: new Turn(),
        secrets: held.flatMap(({ selfMask, maskKey }) => (maskKey === undefined ? [selfMask] : [selfMask, maskKey])),
      },
      message: { vector },
    };
  });
}

function checkValues(values: Int32Array, { length, valueBound }: SecAggParameters): void {
  if (values.length !== length) {
    throw new SecAggError(
      "WRONG_LENGTH",
      `The plan's vectors have ${length} coordinates; this one has ${values.length}.`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i] ?? 0) > valueBound) {
      throw new SecAggError(
        "OUT_OF_RANGE",
        `Coordinate ${i} exceeds the plan's bound of ${valueBound}: the sum could wrap. Clip before quantising.`,
      );
    }
  }
}

function checkDelivery(state: SharesState, { shares, gone }: ShareDelivery): void {
  const dealers = shares.map((share) => share.member);
  requireMembers(dealers, state.graph.members);
  requireMembers(gone, state.graph.members);
  const known = new Set(state.neighbours.map((neighbour) => neighbour.member));
  const stranger = [...dealers, ...gone].find((member) => !known.has(member));
  if (stranger !== undefined) {
    throw new SecAggError("UNKNOWN_MEMBER", `Member ${stranger} is no neighbour of this device.`);
  }
  const dead = new Set(gone);
  const both = dealers.find((member) => dead.has(member));
  if (both !== undefined) {
    throw new SecAggError("ALIVE_AND_DEAD", `Member ${both} is said to have sent shares and to be gone.`);
  }
  if (dealers.length + gone.length !== known.size) {
    throw new SecAggError(
      "WRONG_GRAPH",
      `Of ${known.size} neighbours ${dealers.length + gone.length} were accounted for.`,
    );
  }
}

function openDelivery(
  state: SharesState,
  delivery: ShareDelivery,
  crypto: Pick<DeviceCrypto, "shareCipher">,
): { held: HeldShares[]; faultyDealers: number[] } {
  const byMember = new Map(state.neighbours.map((neighbour) => [neighbour.member, neighbour]));
  const held: HeldShares[] = [];
  const faultyDealers: number[] = [];
  for (const sent of delivery.shares) {
    const dealer = byMember.get(sent.member);
    const opened = dealer === undefined ? undefined : openShares(state, dealer, sent, crypto);
    // One faulty dealer must not be able to drive its neighbours out of the round: its share is just not held.
    if (opened === undefined) faultyDealers.push(sent.member);
    else held.push(opened);
  }
  if (state.ownShare !== undefined) {
    held.push({ dealer: state.member, selfMask: state.ownShare, maskKey: undefined });
  }
  if (held.length < state.graph.threshold) {
    throw new SecAggError(
      "TOO_FEW_SHARES",
      `This device holds shares of ${held.length} members and needs ${state.graph.threshold}; ` +
        `${faultyDealers.length} could not be opened, ${delivery.gone.length} are gone.`,
    );
  }
  return { held, faultyDealers };
}

function openShares(
  state: SharesState,
  dealer: Neighbour,
  sent: SealedShares,
  crypto: Pick<DeviceCrypto, "shareCipher">,
): HeldShares | undefined {
  const { parameters } = state.setup;
  const envelope = decodeEnvelope(sent.envelope);
  const commitments = { selfMask: envelope.selfMaskCommitment, maskKey: envelope.maskKeyCommitment };
  const aad = shareAad(parameters, dealer.member, state.member, commitments);
  const plaintext = crypto.shareCipher.open(dealer.encryptionKey.bytes, envelope.nonce, envelope.sealed, aad);
  if (plaintext === undefined || plaintext.length !== 2 * SHARE_BYTES) return undefined;
  const selfMask = new Secret(plaintext.slice(0, SHARE_BYTES));
  const maskKey = new Secret(plaintext.slice(SHARE_BYTES));
  plaintext.fill(0);
  const sound =
    sameBytes(
      shareCommitment(parameters, "self-mask", dealer.member, state.member, selfMask.bytes),
      commitments.selfMask,
    ) &&
    sameBytes(shareCommitment(parameters, "mask-key", dealer.member, state.member, maskKey.bytes), commitments.maskKey);
  if (sound) return { dealer: dealer.member, selfMask, maskKey };
  selfMask.erase();
  maskKey.erase();
  return undefined;
}

async function masksWith(
  state: SharesState,
  alive: readonly Neighbour[],
  crypto: Pick<DeviceCrypto, "keyAgreement" | "hkdf">,
): Promise<SignedMask[]> {
  const { parameters } = state.setup;
  const own = { secretKey: state.mask.secretKey.bytes, publicKey: state.mask.publicKey };
  const publicKeys = alive.map((neighbour) => neighbour.maskPublicKey);
  const sharedSecrets = await agree(crypto.keyAgreement, own, publicKeys);
  const masks = alive.map((neighbour, i): SignedMask => {
    const sharedSecret = sharedSecrets[i] ?? new Uint8Array(KEY_BYTES);
    const key = pairMaskKey(parameters, sharedSecret, state.mask.publicKey, neighbour.maskPublicKey, crypto.hkdf);
    sharedSecret.fill(0);
    return { key, sign: neighbour.member > state.member ? 1 : -1 };
  });
  return [...masks, { key: selfMaskKey(parameters, state.selfMask.bytes, crypto.hkdf), sign: 1 }];
}
