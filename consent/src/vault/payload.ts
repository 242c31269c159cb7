// Personal data beside an entry: encrypted under a fresh data key that only the subject's key opens, bound to the one
// entry it belongs to. The entry's other members hold commitments at most.
import { equalBytes } from "../crypto/bytes.js";
import { decodeBase64Url, encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { hmacSha256 } from "../crypto/hash.js";
import { LedgerError } from "../errors.js";
import { canonicalBytes, type JsonValue, parseCanonical } from "../json/canonical.js";
import { freshKey, open, seal } from "./aead.js";

/** The `enc` member of an entry. */
export interface EncryptedPayload {
  readonly alg: "XC20P";
  /** The data key sealed under the subject's key: nonce, ciphertext and tag, base64url. */
  readonly key: string;
  /** The payload sealed under the data key. */
  readonly ciphertext: string;
}

/** The entry a payload belongs to. */
export interface PayloadPlace {
  readonly log: string;
  readonly type: string;
  /** The entry's id. */
  readonly id: string;
}

const maxPayload = { maxBytes: 65_535, maxDepth: 16 };

function associated({ log, type, id }: PayloadPlace): Uint8Array {
  return encodeUtf8(`fedloop-payload/v1\n${log}\n${type}\n${id}`);
}

/** Encrypts a payload for one entry under a subject's key (32 bytes). */
export function encryptPayload(place: PayloadPlace, subjectKey: Uint8Array, payload: JsonValue): EncryptedPayload {
  const dataKey = freshKey();
  const bound = associated(place);
  const key = seal(subjectKey, dataKey, bound);
  const ciphertext = seal(dataKey, canonicalBytes(payload), bound);
  return { alg: "XC20P", key: encodeBase64Url(key), ciphertext: encodeBase64Url(ciphertext) };
}

/**
 * Decrypts a payload.
 * @throws LedgerError BAD_CIPHERTEXT when it was changed, belongs to another entry, or to another subject.
 */
export function decryptPayload(
  place: PayloadPlace,
  subjectKey: Uint8Array,
  { key, ciphertext }: EncryptedPayload,
): JsonValue {
  const bound = associated(place);
  const dataKey = open(subjectKey, decodeBase64Url(key), bound);
  return parseCanonical(open(dataKey, decodeBase64Url(ciphertext), bound), maxPayload);
}

/**
 * A commitment to a field: HMAC-SHA-256 under 32 random bytes that stay inside the payload. Without them it says nothing
 * about the field, not even by guessing.
 */
export function commitment(opening: Uint8Array, field: string): string {
  if (opening.length !== 32) throw new LedgerError("BAD_KEY", `An opening has 32 bytes, not ${opening.length}.`);
  return encodeBase64Url(hmacSha256(opening, encodeUtf8(`fedloop-commitment/v1\n${field}`)));
}

/** Whether a commitment is to that field. */
export function opensCommitment(text: string, opening: Uint8Array, field: string): boolean {
  return equalBytes(encodeUtf8(commitment(opening, field)), encodeUtf8(text));
}
