import { NONCE_BYTES, TAG_BYTES } from "./crypto/share-cipher.js";
import { SecAggError } from "./errors.js";

/** What goes from a dealer to a holder, with the commitments in clear so that the server can check an answer. */
export interface Envelope {
  /** SHA-256 commitment to the holder's share of the self-mask seed, 32 bytes. */
  readonly selfMaskCommitment: Uint8Array;
  /** SHA-256 commitment to the holder's share of the mask key, 32 bytes. */
  readonly maskKeyCommitment: Uint8Array;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** Both shares, self mask first, and the tag. */
  readonly sealed: Uint8Array;
}

/** A share is as long as the secret: 32 bytes. */
export const SHARE_BYTES = 32;
const COMMITMENT_BYTES = 32;
const NONCE_AT = 2 * COMMITMENT_BYTES;
const SEALED_AT = NONCE_AT + NONCE_BYTES;

/** Bytes of an envelope. */
export const ENVELOPE_BYTES: number = SEALED_AT + 2 * SHARE_BYTES + TAG_BYTES;

/** self-mask commitment ‖ mask-key commitment ‖ nonce ‖ sealed. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const bytes = new Uint8Array(ENVELOPE_BYTES);
  bytes.set(envelope.selfMaskCommitment, 0);
  bytes.set(envelope.maskKeyCommitment, COMMITMENT_BYTES);
  bytes.set(envelope.nonce, NONCE_AT);
  bytes.set(envelope.sealed, SEALED_AT);
  return bytes;
}

/**
 * The parts of an envelope, as views.
 *
 * @throws SecAggError WRONG_LENGTH
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length !== ENVELOPE_BYTES) {
    throw new SecAggError("WRONG_LENGTH", `An envelope has ${ENVELOPE_BYTES} bytes; this has ${bytes.length}.`);
  }
  return {
    selfMaskCommitment: bytes.subarray(0, COMMITMENT_BYTES),
    maskKeyCommitment: bytes.subarray(COMMITMENT_BYTES, NONCE_AT),
    nonce: bytes.subarray(NONCE_AT, SEALED_AT),
    sealed: bytes.subarray(SEALED_AT),
  };
}
