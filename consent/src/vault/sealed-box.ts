// Encryption to an auditor's public key: the sealed boxes of NaCl and libsodium (crypto_box_seal), that is X25519,
// HSalsa20 and XSalsa20-Poly1305 under a one-time key, with the nonce BLAKE2b-192(one-time key ‖ recipient's key). The
// sender is anonymous here; what is sealed is signed outside, as part of an entry.
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes } from "../crypto/bytes.js";
import { decodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";

const algorithm = { name: "X25519" };
const pointBytes = 32;
const tagBytes = 16;
const nonceBytes = 24;
// PKCS #8 wrapping of a 32-byte X25519 private key (RFC 8410 §7).
const pkcs8Prefix = new Uint8Array([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20]);
const sigma = littleEndianWords(encodeUtf8("expand 32-byte k"));

/** Someone to whom data can be sealed. */
export interface BoxRecipient {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly privateKey: CryptoKey;
}

/** A copy that WebCrypto accepts whatever buffer the view lies on. */
function bufferCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function littleEndianWords(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, at) => view.getUint32(4 * at, true));
}

function littleEndianBytes(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [at, word] of words.entries()) view.setUint32(4 * at, word, true);
  return bytes;
}

/** A recipient with a fresh key. */
export async function generateRecipient(): Promise<BoxRecipient> {
  return recipientFromBytes(crypto.getRandomValues(new Uint8Array(32)));
}

/** A recipient from the 32 bytes of its private key. @throws LedgerError BAD_KEY */
export async function recipientFromBytes(privateKey: Uint8Array): Promise<BoxRecipient> {
  if (privateKey.length !== 32)
    throw new LedgerError("BAD_KEY", `A private key has 32 bytes, not ${privateKey.length}.`);
  const pkcs8 = bufferCopy(concatBytes(pkcs8Prefix, privateKey));
  const exportable = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["deriveBits"]);
  const { x } = await crypto.subtle.exportKey("jwk", exportable);
  if (x === undefined) throw new LedgerError("BAD_KEY", "WebCrypto did not derive a public key.");
  const imported = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["deriveBits"]);
  return { publicKey: decodeBase64Url(x), privateKey: imported };
}

/** The key that both sides share: HSalsa20 over their X25519 point, NaCl's crypto_box_beforenm. */
async function sharedKey(privateKey: CryptoKey, publicKey: Uint8Array): Promise<Uint8Array> {
  let point: Uint8Array;
  try {
    const imported = await crypto.subtle.importKey("raw", bufferCopy(publicKey), algorithm, false, []);
    point = new Uint8Array(await crypto.subtle.deriveBits({ ...algorithm, public: imported }, privateKey, 256));
  } catch (cause) {
    throw new LedgerError("BAD_KEY", "The X25519 key is malformed or of small order.", { cause });
  }
  // RFC 7748 §6.1: a shared point of zero means that the other key has small order.
  if (point.every((byte) => byte === 0)) throw new LedgerError("BAD_KEY", "The X25519 key is of small order.");
  const key = new Uint32Array(8);
  hsalsa(sigma, littleEndianWords(point), new Uint32Array(4), key);
  return littleEndianBytes(key);
}

function nonceOf(oneTimeKey: Uint8Array, recipient: Uint8Array): Uint8Array {
  return blake2b(concatBytes(oneTimeKey, recipient), { dkLen: nonceBytes });
}

/**
 * Seals a message to a public key: 32 bytes of one-time key, 16 of tag, then the ciphertext.
 * @throws LedgerError BAD_KEY for a malformed or small-order key
 */
export async function sealTo(publicKey: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const sender = await generateRecipient();
  const key = await sharedKey(sender.privateKey, publicKey);
  const box = xsalsa20poly1305(key, nonceOf(sender.publicKey, publicKey)).encrypt(message);
  return concatBytes(sender.publicKey, box);
}

/**
 * Opens a sealed message.
 * @throws LedgerError BAD_CIPHERTEXT when it was changed or is for someone else; BAD_KEY.
 */
export async function openSealed(recipient: BoxRecipient, sealed: Uint8Array): Promise<Uint8Array> {
  if (sealed.length < pointBytes + tagBytes) throw new LedgerError("BAD_CIPHERTEXT", "The sealed message is cut off.");
  const oneTimeKey = sealed.subarray(0, pointBytes);
  const key = await sharedKey(recipient.privateKey, oneTimeKey);
  try {
    return xsalsa20poly1305(key, nonceOf(oneTimeKey, recipient.publicKey)).decrypt(sealed.subarray(pointBytes));
  } catch (cause) {
    throw new LedgerError("BAD_CIPHERTEXT", "The sealed message was changed, or is for someone else.", { cause });
  }
}
