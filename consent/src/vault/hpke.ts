// Encryption to an auditor's public key: HPKE (RFC 9180) in base mode, single-shot, DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, AES-GCM. The sender is anonymous here; what is sealed is signed outside, as part of an entry.
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "../crypto/bytes.js";
import { decodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { bufferCopy, decryptWith, encryptWith } from "./aead.js";

/** AES-256-GCM for fedloop; the published vectors also use AES-128-GCM. */
export type HpkeCipher = "AES-256-GCM" | "AES-128-GCM";

const algorithm = { name: "X25519" };
const pointBytes = 32;
const nonceBytes = 12;
const kemId = new Uint8Array([0x00, 0x20]);
const kdfId = new Uint8Array([0x00, 0x01]);
const cipherIds: { readonly [C in HpkeCipher]: { readonly id: Uint8Array; readonly keyBytes: number } } = {
  "AES-128-GCM": { id: new Uint8Array([0x00, 0x01]), keyBytes: 16 },
  "AES-256-GCM": { id: new Uint8Array([0x00, 0x02]), keyBytes: 32 },
};
// PKCS #8 wrapping of a 32-byte X25519 private key (RFC 8410 §7).
const pkcs8Prefix = new Uint8Array([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20]);
const version = encodeUtf8("HPKE-v1");
const empty = new Uint8Array(0);

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, secret: Uint8Array): Uint8Array {
  return extract(sha256, concatBytes(version, suite, encodeUtf8(label), secret), salt);
}

function labeledExpand(
  suite: Uint8Array,
  key: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const prefix = new Uint8Array([length >> 8, length & 255]);
  return expand(sha256, key, concatBytes(prefix, version, suite, encodeUtf8(label), info), length);
}

/** Someone to whom data can be sealed. */
export interface HpkeRecipient {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly privateKey: CryptoKey;
}

async function publicBytes(key: CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey("raw", key));
}

/** A recipient with a fresh key. */
export async function generateRecipient(extractable = false): Promise<HpkeRecipient> {
  const pair = await crypto.subtle.generateKey(algorithm, extractable, ["deriveBits"]);
  if (!("privateKey" in pair)) throw new LedgerError("BAD_KEY", "WebCrypto did not make an X25519 key pair.");
  return { publicKey: await publicBytes(pair.publicKey), privateKey: pair.privateKey };
}

/** A recipient from the 32 bytes of its private key. @throws LedgerError BAD_KEY */
export async function recipientFromBytes(privateKey: Uint8Array): Promise<HpkeRecipient> {
  if (privateKey.length !== 32)
    throw new LedgerError("BAD_KEY", `A private key has 32 bytes, not ${privateKey.length}.`);
  const pkcs8 = bufferCopy(concatBytes(pkcs8Prefix, privateKey));
  const exportable = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["deriveBits"]);
  const { x } = await crypto.subtle.exportKey("jwk", exportable);
  if (x === undefined) throw new LedgerError("BAD_KEY", "WebCrypto did not derive a public key.");
  const imported = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["deriveBits"]);
  return { publicKey: decodeBase64Url(x), privateKey: imported };
}

async function sharedSecret(
  privateKey: CryptoKey,
  publicKey: Uint8Array,
  encapsulated: Uint8Array,
  recipient: Uint8Array,
): Promise<Uint8Array> {
  let point: Uint8Array;
  try {
    const imported = await crypto.subtle.importKey("raw", bufferCopy(publicKey), algorithm, false, []);
    point = new Uint8Array(await crypto.subtle.deriveBits({ ...algorithm, public: imported }, privateKey, 256));
  } catch (cause) {
    throw new LedgerError("BAD_KEY", "The X25519 key is malformed or of small order.", { cause });
  }
  // RFC 9180 §7.1.4: a shared point of zero means that the other key has small order.
  if (point.every((byte) => byte === 0)) throw new LedgerError("BAD_KEY", "The X25519 key is of small order.");
  const suite = concatBytes(encodeUtf8("KEM"), kemId);
  const secret = labeledExtract(suite, empty, "eae_prk", point);
  return labeledExpand(suite, secret, "shared_secret", concatBytes(encapsulated, recipient), 32);
}

function keySchedule(
  shared: Uint8Array,
  info: Uint8Array,
  cipher: HpkeCipher,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const { id, keyBytes } = cipherIds[cipher];
  const suite = concatBytes(encodeUtf8("HPKE"), kemId, kdfId, id);
  const baseMode = new Uint8Array([0]);
  const pskIdHash = labeledExtract(suite, empty, "psk_id_hash", empty);
  const infoHash = labeledExtract(suite, empty, "info_hash", info);
  const context = concatBytes(baseMode, pskIdHash, infoHash);
  const secret = labeledExtract(suite, shared, "secret", empty);
  return {
    key: labeledExpand(suite, secret, "key", context, keyBytes),
    nonce: labeledExpand(suite, secret, "base_nonce", context, nonceBytes),
  };
}

/** What a sealed message is bound to. */
export interface SealContext {
  /** What the key is for; both sides must say the same. */
  readonly info: Uint8Array;
  readonly associated: Uint8Array;
}

/**
 * Seals a message to a public key: 32 bytes of encapsulated key, then the ciphertext.
 * @param ephemeral the sender's one-time key; a fresh one unless a test repeats a published vector
 * @throws LedgerError BAD_KEY for a malformed or small-order key
 */
export async function sealTo(
  publicKey: Uint8Array,
  { info, associated }: SealContext,
  plaintext: Uint8Array,
  cipher: HpkeCipher = "AES-256-GCM",
  ephemeral?: HpkeRecipient,
): Promise<Uint8Array> {
  const sender = ephemeral ?? (await generateRecipient());
  const shared = await sharedSecret(sender.privateKey, publicKey, sender.publicKey, publicKey);
  const { key, nonce } = keySchedule(shared, info, cipher);
  return concatBytes(sender.publicKey, await encryptWith(key, nonce, plaintext, associated));
}

/**
 * Opens a sealed message.
 * @throws LedgerError BAD_CIPHERTEXT when it was changed, is for someone else or bound to something else; BAD_KEY.
 */
export async function openSealed(
  recipient: HpkeRecipient,
  { info, associated }: SealContext,
  sealed: Uint8Array,
  cipher: HpkeCipher = "AES-256-GCM",
): Promise<Uint8Array> {
  if (sealed.length < pointBytes) throw new LedgerError("BAD_CIPHERTEXT", "The sealed message is cut off.");
  const encapsulated = sealed.subarray(0, pointBytes);
  const shared = await sharedSecret(recipient.privateKey, encapsulated, encapsulated, recipient.publicKey);
  const { key, nonce } = keySchedule(shared, info, cipher);
  return decryptWith(key, nonce, sealed.subarray(pointBytes), associated);
}
