import type { UnmaskCrypto } from "../crypto/device-crypto.js";
import { agree, KEY_BYTES } from "../crypto/key-agreement.js";
import { SHARE_BYTES } from "../envelope.js";
import { SecAggError } from "../errors.js";
import type { MaskAccumulator } from "../masking/accumulator.js";
import { maskAccumulator } from "../masking/choose-accumulator.js";
import { addMasks, type SignedMask } from "../masking/expander.js";
import { sameBytes } from "../members.js";
import type { SecAggParameters } from "../parameters.js";
import { rebuildSecret, type Share, type Sharing } from "../shamir/shamir.js";
import { pairMaskKey, selfMaskCommitment, selfMaskKey } from "../transcript.js";

/** As many shares of one secret as the threshold, packed so that they are cheap to hand to another thread. */
export interface PackedShares {
  /** The holders' coordinates. */
  readonly coordinates: readonly number[];
  /** `SHARE_BYTES` bytes for each. */
  readonly values: Uint8Array;
}

/** A survivor's self mask, to take out of the sum. */
export interface SelfMaskTask {
  readonly type: "self-mask";
  readonly member: number;
  readonly shares: PackedShares;
  /** H(b) as the member committed to it. */
  readonly commitment: Uint8Array;
}

/** The pair masks of one that is gone, which its surviving neighbours added without a counterpart. */
export interface PairMasksTask {
  readonly type: "pair-masks";
  readonly member: number;
  readonly shares: PackedShares;
  /** As the member advertised it. */
  readonly maskPublicKey: Uint8Array;
  readonly survivors: readonly { readonly member: number; readonly maskPublicKey: Uint8Array }[];
}

export type UnmaskTask = SelfMaskTask | PairMasksTask;

/** All that is to be taken out of one sum. */
export interface UnmaskWork {
  readonly parameters: SecAggParameters;
  /** How the secrets were shared. */
  readonly sharing: Sharing;
  readonly tasks: readonly UnmaskTask[];
}

/** What came of it. */
export interface UnmaskOutcome {
  /** Residues to add to the masked sum. */
  readonly correction: Uint32Array;
  /** Members whose rebuilt secret is not what they committed to; with any, the correction is of no use. */
  readonly inconsistent: readonly number[];
}

/** Computes corrections: in this thread (`inlineUnmaskEngine`), or on others (`MaskPool`). */
export interface UnmaskEngine {
  /** @throws SecAggError CANCELLED, WORKER_FAILED */
  run(work: UnmaskWork, signal?: AbortSignal): Promise<UnmaskOutcome>;
}

/** The reference engine. It keeps its thread busy: servers take `MaskPool`. */
export function inlineUnmaskEngine(crypto: UnmaskCrypto): UnmaskEngine {
  return {
    async run(work, signal) {
      const sum = maskAccumulator(work.parameters.length, work.parameters.bits);
      const inconsistent = await removeMasks(sum, work, crypto, signal);
      return { correction: sum.finish(), inconsistent };
    },
  };
}

/**
 * Rebuilds each task's secret, checks it against what the member committed to, and takes its masks out of the sum.
 *
 * @returns members whose secret was not what they committed to
 */
export async function removeMasks(
  sum: MaskAccumulator,
  { parameters, sharing, tasks }: UnmaskWork,
  crypto: UnmaskCrypto,
  signal?: AbortSignal,
): Promise<number[]> {
  const inconsistent: number[] = [];
  const masks: SignedMask[] = [];
  for (const task of tasks) {
    const secret = rebuildSecret(unpacked(task.shares), sharing);
    const taken =
      task.type === "self-mask"
        ? selfMaskOf(task, secret, parameters, crypto)
        : await pairMasksOf(task, secret, parameters, crypto);
    secret.fill(0);
    if (taken === undefined) inconsistent.push(task.member);
    else masks.push(...taken);
  }
  if (inconsistent.length === 0) await addMasks(sum, masks, crypto.expander, signal);
  return inconsistent;
}

function unpacked({ coordinates, values }: PackedShares): Share[] {
  return coordinates.map((x, i) => ({ x, value: values.subarray(i * SHARE_BYTES, (i + 1) * SHARE_BYTES) }));
}

function selfMaskOf(
  task: SelfMaskTask,
  seed: Uint8Array,
  parameters: SecAggParameters,
  { hkdf }: Pick<UnmaskCrypto, "hkdf">,
): SignedMask[] | undefined {
  if (!sameBytes(selfMaskCommitment(parameters, seed), task.commitment)) return undefined;
  return [{ key: selfMaskKey(parameters, seed, hkdf), sign: -1 }];
}

async function pairMasksOf(
  task: PairMasksTask,
  secretKey: Uint8Array,
  parameters: SecAggParameters,
  { keyAgreement, hkdf }: UnmaskCrypto,
): Promise<SignedMask[] | undefined> {
  const own = { secretKey, publicKey: task.maskPublicKey };
  if (!sameBytes(await keyAgreement.publicKey(secretKey), task.maskPublicKey)) return undefined;
  const publicKeys = task.survivors.map((survivor) => survivor.maskPublicKey);
  try {
    const sharedSecrets = await agree(keyAgreement, own, publicKeys);
    return task.survivors.map(({ member, maskPublicKey }, i): SignedMask => {
      const sharedSecret = sharedSecrets[i] ?? new Uint8Array(KEY_BYTES);
      const key = pairMaskKey(parameters, sharedSecret, task.maskPublicKey, maskPublicKey, hkdf);
      sharedSecret.fill(0);
      // The survivor added the mask when the other's number is higher, and subtracted it when it is lower.
      return { key, sign: task.member > member ? -1 : 1 };
    });
  } catch (cause) {
    throw new SecAggError("LOW_ORDER_KEY", `The keys of member ${task.member} and a neighbour do not agree.`, {
      cause,
    });
  }
}
