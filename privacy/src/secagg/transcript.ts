import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { RoundBinding, SecAggParameters } from "./parameters.js";

/**
 * The byte strings that are signed, hashed, authenticated and derived from. Each starts with a label of its own, so
 * that none can be taken for another; numbers are big-endian; parts have fixed lengths, or come last.
 */
const encoder = new TextEncoder();

/** Which of a dealer's two secrets a share belongs to. */
export type ShareKind = "self-mask" | "mask-key";

/** What a device signs in the keys step: session, round, plan and both keys. */
export function advertisementTranscript(
  binding: RoundBinding,
  keys: { readonly maskPublicKey: Uint8Array; readonly encryptionPublicKey: Uint8Array },
): Uint8Array {
  return concat(
    label("keys"),
    binding.session,
    uint64(binding.round),
    binding.planHash,
    keys.maskPublicKey,
    keys.encryptionPublicKey,
  );
}

/** What a device signs in the consistency step: session, round and the survivor set. */
export function survivorsTranscript(binding: RoundBinding, survivors: readonly number[]): Uint8Array {
  return concat(label("survivors"), binding.session, uint64(binding.round), memberBytes(survivors));
}

/** Authenticated with a dealer's shares: session, round, source, destination, and both commitments. */
export function shareAad(
  binding: RoundBinding,
  dealer: number,
  holder: number,
  commitments: { readonly selfMask: Uint8Array; readonly maskKey: Uint8Array },
): Uint8Array {
  return concat(
    label("shares"),
    binding.session,
    uint64(binding.round),
    uint32(dealer),
    uint32(holder),
    commitments.selfMask,
    commitments.maskKey,
  );
}

/** H(b): what the server compares a rebuilt self-mask seed with. */
export function selfMaskCommitment(binding: RoundBinding, seed: Uint8Array): Uint8Array {
  return sha256(concat(label("self-mask-commitment"), binding.session, uint64(binding.round), seed));
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

/** A server hashes one for every share: the part that a round has in common is written once. */
const commitmentMessages = new WeakMap<RoundBinding, Map<string, Uint8Array>>();

/** label ‖ session ‖ round, and room for dealer, holder and share: two blocks of SHA-256. */
function commitmentMessage(binding: RoundBinding, kind: ShareKind, shareLength: number): Uint8Array {
  const messages = commitmentMessages.get(binding) ?? new Map<string, Uint8Array>();
  commitmentMessages.set(binding, messages);
  const name = `${kind} ${shareLength}`;
  const message =
    messages.get(name) ??
    concat(label(`${kind}-share`), binding.session, uint64(binding.round), new Uint8Array(8 + shareLength));
  messages.set(name, message);
  return message;
}

/** The AES-256 key of the mask that two devices share: one key per pair and round. */
export function pairMaskKey(
  parameters: SecAggParameters,
  sharedSecret: Uint8Array,
  own: Uint8Array,
  other: Uint8Array,
): Uint8Array {
  return derive("pair-mask", parameters, sharedSecret, orderedKeys(own, other));
}

/** The AES-256 key of a device's self mask. */
export function selfMaskKey(parameters: SecAggParameters, seed: Uint8Array): Uint8Array {
  return derive("self-mask", parameters, seed, new Uint8Array(0));
}

/** The key under which a pair's shares travel. */
export function shareEncryptionKey(
  parameters: SecAggParameters,
  sharedSecret: Uint8Array,
  own: Uint8Array,
  other: Uint8Array,
): Uint8Array {
  return derive("share-encryption", parameters, sharedSecret, orderedKeys(own, other));
}

/**
 * HKDF-SHA-256 (RFC 5869) with info = label ‖ session ‖ round ‖ H(plan) ‖ H(model) ‖ bits. Two devices that were shown
 * different plans or models derive different masks, which then do not cancel.
 */
function derive(purpose: string, parameters: SecAggParameters, secret: Uint8Array, salt: Uint8Array): Uint8Array {
  const info = concat(
    label(purpose),
    parameters.session,
    uint64(parameters.round),
    parameters.planHash,
    parameters.modelHash,
    Uint8Array.of(parameters.bits),
  );
  return hkdf(sha256, secret, salt, info, 32);
}

/** Both public keys of a pair, the same on both sides. */
function orderedKeys(a: Uint8Array, b: Uint8Array): Uint8Array {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0 ? concat(a, b) : concat(b, a);
  }
  return concat(a, b);
}

function label(purpose: string): Uint8Array {
  return encoder.encode(`fedloop-secagg/v1/${purpose}\n`);
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
