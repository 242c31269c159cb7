import { sha256 } from "@noble/hashes/sha2.js";
import { type Hkdf, nobleHkdf } from "./crypto/hkdf.js";
import type { RoundBinding, SecAggParameters } from "./parameters.js";

/**
 * The byte strings that are signed, hashed, authenticated and derived from. Each starts with a label of its own, so
 * that none can be taken for another; numbers are big-endian; parts have fixed lengths, or come last.
 */
const encoder = new TextEncoder();

type WrittenOnce<Key extends object> = WeakMap<Key, Map<string, Uint8Array>>;

// What a round's strings have in common. A device needs it for each of its neighbours, a server for each share.
const beginnings: WrittenOnce<RoundBinding> = new WeakMap();
const derivationInfos: WrittenOnce<SecAggParameters> = new WeakMap();
const commitmentMessages: WrittenOnce<RoundBinding> = new WeakMap();

/** Which of a dealer's two secrets a share belongs to. */
export type ShareKind = "self-mask" | "mask-key";

/** What a device signs in the keys step: session, round, plan and both keys. */
export function advertisementTranscript(
  binding: RoundBinding,
  keys: { readonly maskPublicKey: Uint8Array; readonly encryptionPublicKey: Uint8Array },
): Uint8Array {
  return concat(beginning(binding, "keys"), binding.planHash, keys.maskPublicKey, keys.encryptionPublicKey);
}

/** What a device signs in the consistency step: session, round and the survivor set. */
export function survivorsTranscript(binding: RoundBinding, survivors: readonly number[]): Uint8Array {
  return concat(beginning(binding, "survivors"), memberBytes(survivors));
}

/** Authenticated with a dealer's shares: session, round, source, destination, and both commitments. */
export function shareAad(
  binding: RoundBinding,
  dealer: number,
  holder: number,
  commitments: { readonly selfMask: Uint8Array; readonly maskKey: Uint8Array },
): Uint8Array {
  return concat(
    beginning(binding, "shares"),
    uint32(dealer),
    uint32(holder),
    commitments.selfMask,
    commitments.maskKey,
  );
}

/** H(b): what the server compares a rebuilt self-mask seed with. */
export function selfMaskCommitment(binding: RoundBinding, seed: Uint8Array): Uint8Array {
  return sha256(concat(beginning(binding, "self-mask-commitment"), seed));
}

/**
 * What the server compares a share with. A share has 256 bits that nobody but dealer and holder can guess, so the hash
 * hides it.
 */
export function shareCommitment(
  binding: RoundBinding,
  kind: ShareKind,
  dealer: number,
  holder: number,
  share: Uint8Array,
): Uint8Array {
  const message = commitmentMessage(binding, kind, share.length);
  const view = new DataView(message.buffer);
  const at = message.length - share.length - 8;
  view.setUint32(at, dealer);
  view.setUint32(at + 4, holder);
  message.set(share, at + 8);
  const commitment = sha256(message);
  message.fill(0, at);
  return commitment;
}

/** label ‖ session ‖ round, and room for dealer, holder and share: two blocks of SHA-256. */
function commitmentMessage(binding: RoundBinding, kind: ShareKind, shareLength: number): Uint8Array {
  return writtenOnce(commitmentMessages, binding, `${kind} ${shareLength}`, () =>
    concat(beginning(binding, `${kind}-share`), new Uint8Array(8 + shareLength)),
  );
}

/** The AES-256 key of the mask that two devices share: one key per pair and round. */
export function pairMaskKey(
  parameters: SecAggParameters,
  sharedSecret: Uint8Array,
  own: Uint8Array,
  other: Uint8Array,
  hkdf: Hkdf = nobleHkdf,
): Uint8Array {
  return hkdf(sharedSecret, orderedKeys(own, other), derivationInfo(parameters, "pair-mask"));
}

/** The AES-256 key of a device's self mask. */
export function selfMaskKey(parameters: SecAggParameters, seed: Uint8Array, hkdf: Hkdf = nobleHkdf): Uint8Array {
  return hkdf(seed, new Uint8Array(0), derivationInfo(parameters, "self-mask"));
}

/** The key under which a pair's shares travel. */
export function shareEncryptionKey(
  parameters: SecAggParameters,
  sharedSecret: Uint8Array,
  own: Uint8Array,
  other: Uint8Array,
  hkdf: Hkdf = nobleHkdf,
): Uint8Array {
  return hkdf(sharedSecret, orderedKeys(own, other), derivationInfo(parameters, "share-encryption"));
}

/**
 * What keys are derived for: label ‖ session ‖ round ‖ H(plan) ‖ H(model) ‖ bits. Two devices that were shown different plans or
 * models derive different masks, which then do not cancel.
 */
function derivationInfo(parameters: SecAggParameters, purpose: string): Uint8Array {
  return writtenOnce(derivationInfos, parameters, purpose, () =>
    concat(beginning(parameters, purpose), parameters.planHash, parameters.modelHash, Uint8Array.of(parameters.bits)),
  );
}

/** label ‖ session ‖ round, with which every string begins. */
function beginning(binding: RoundBinding, purpose: string): Uint8Array {
  return writtenOnce(beginnings, binding, purpose, () =>
    concat(encoder.encode(`fedloop-secagg/v1/${purpose}\n`), binding.session, uint64(binding.round)),
  );
}

function writtenOnce<Key extends object>(
  known: WrittenOnce<Key>,
  key: Key,
  name: string,
  write: () => Uint8Array,
): Uint8Array {
  const named = known.get(key) ?? new Map<string, Uint8Array>();
  known.set(key, named);
  const bytes = named.get(name) ?? write();
  named.set(name, bytes);
  return bytes;
}

/** Both public keys of a pair, the same on both sides. */
function orderedKeys(a: Uint8Array, b: Uint8Array): Uint8Array {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0 ? concat(a, b) : concat(b, a);
  }
  return concat(a, b);
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Their number, then each; comes last. */
function memberBytes(members: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * members.length + 4));
  view.setUint32(0, members.length);
  members.forEach((member, i) => {
    view.setUint32(4 * i + 4, member);
  });
  return new Uint8Array(view.buffer);
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let written = 0;
  for (const part of parts) {
    whole.set(part, written);
    written += part.length;
  }
  return whole;
}
