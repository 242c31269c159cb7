// Authenticated encryption: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, RFC 8439), the same bytes as libsodium's
// crypto_aead_xchacha20poly1305_ietf. Its nonces have 24 bytes, so random ones never meet, however many texts a key seals.
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concatBytes } from "../crypto/bytes.js";
import { LedgerError } from "../errors.js";

/** Length of every symmetric key, in bytes. */
export const symmetricKeyBytes = 32;
/** Length of the nonce before every ciphertext, in bytes. */
export const nonceBytes = 24;
/** Length of the tag after every ciphertext, in bytes. */
export const tagBytes = 16;

function checkKey(key: Uint8Array): void {
  if (key.length !== symmetricKeyBytes)
    throw new LedgerError("BAD_KEY", `A symmetric key has ${symmetricKeyBytes} bytes, not ${key.length}.`);
}

/** Fresh random bytes from the platform. */
export function freshKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(symmetricKeyBytes));
}

/**
 * Encrypts under a random nonce, which stands before the ciphertext.
 * @param nonce of 24 bytes; a random one unless a test repeats a published vector
 * @throws LedgerError BAD_KEY unless the key has 32 bytes
 */
export function seal(
  key: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
  nonce: Uint8Array = crypto.getRandomValues(new Uint8Array(nonceBytes)),
): Uint8Array {
  checkKey(key);
  return concatBytes(nonce, xchacha20poly1305(key, nonce, associated).encrypt(plaintext));
}

/**
 * Opens what {@link seal} made.
 * @throws LedgerError BAD_CIPHERTEXT when key, text or associated data are not those of encryption; BAD_KEY
 */
export function open(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array {
  checkKey(key);
  if (sealed.length < nonceBytes + tagBytes)
    throw new LedgerError("BAD_CIPHERTEXT", "The ciphertext is shorter than its nonce and tag.");
  const cipher = xchacha20poly1305(key, sealed.subarray(0, nonceBytes), associated);
  try {
    return cipher.decrypt(sealed.subarray(nonceBytes));
  } catch (cause) {
    throw new LedgerError("BAD_CIPHERTEXT", "The ciphertext was changed, moved, or made under another key.", { cause });
  }
}
