// Authenticated encryption through WebCrypto: AES-256-GCM (NIST SP 800-38D). Data keys are used once; a key-encryption
// key wraps at most 2^32 keys under random nonces, the bound of SP 800-38D §8.3.
import { concatBytes } from "../crypto/bytes.js";
import { LedgerError } from "../errors.js";

/** Length of every symmetric key, in bytes. */
export const symmetricKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** A copy that WebCrypto accepts whatever buffer the view lies on. */
export function bufferCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** An AES-GCM key. @throws LedgerError BAD_KEY unless there are 16 or 32 bytes */
async function importKey(key: Uint8Array, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
  if (key.length !== symmetricKeyBytes && key.length !== 16)
    throw new LedgerError("BAD_KEY", `A symmetric key has ${symmetricKeyBytes} bytes, not ${key.length}.`);
  return crypto.subtle.importKey("raw", bufferCopy(key), "AES-GCM", false, [usage]);
}

/** Fresh random bytes from the platform. */
export function freshKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(symmetricKeyBytes));
}

/** Encrypts under a nonce of the caller's, who sees to it that key and nonce never meet twice. */
export async function encryptWith(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
): Promise<Uint8Array> {
  const algorithm = { name: "AES-GCM", iv: bufferCopy(nonce), additionalData: bufferCopy(associated) };
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, await importKey(key, "encrypt"), bufferCopy(plaintext)));
}

/** Decrypts. @throws LedgerError BAD_CIPHERTEXT when key, nonce, text or associated data are not those of encryption */
export async function decryptWith(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  associated: Uint8Array,
): Promise<Uint8Array> {
  const algorithm = { name: "AES-GCM", iv: bufferCopy(nonce), additionalData: bufferCopy(associated) };
  const imported = await importKey(key, "decrypt");
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, imported, bufferCopy(ciphertext)));
  } catch (cause) {
    throw new LedgerError("BAD_CIPHERTEXT", "The ciphertext was changed, moved, or made under another key.", { cause });
  }
}

/** Encrypts under a random nonce, which stands before the ciphertext. */
export async function seal(key: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Promise<Uint8Array> {
  const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes));
  return concatBytes(nonce, await encryptWith(key, nonce, plaintext, associated));
}

/** Opens what {@link seal} made. @throws LedgerError BAD_CIPHERTEXT */
export async function open(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Promise<Uint8Array> {
  if (sealed.length < nonceBytes + tagBytes)
    throw new LedgerError("BAD_CIPHERTEXT", "The ciphertext is shorter than its nonce and tag.");
  return decryptWith(key, sealed.subarray(0, nonceBytes), sealed.subarray(nonceBytes), associated);
}
