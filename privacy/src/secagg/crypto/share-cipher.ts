/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): authenticated encryption with random 24-byte nonces. */
export interface ShareCipher {
  /**
   * @param key 32 bytes
   * @param nonce 24 bytes, random
   * @param aad authenticated, not encrypted
   * @returns the ciphertext with its 16-byte tag at the end
   */
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  /** The plaintext, or undefined when anything was changed. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined;
}

export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;

/** The two functions of libsodium-wrappers (0.8) that share encryption needs. Await its `ready` first. */
export interface LibsodiumAead {
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    message: Uint8Array,
    additionalData: Uint8Array,
    secretNonce: null,
    publicNonce: Uint8Array,
    key: Uint8Array,
  ): Uint8Array;
  /** Throws on a wrong tag. */
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    secretNonce: null,
    ciphertext: Uint8Array,
    additionalData: Uint8Array,
    publicNonce: Uint8Array,
    key: Uint8Array,
  ): Uint8Array;
}

/**
 * Share encryption by libsodium, for browsers.
 *
 * @param sodium libsodium-wrappers, ready
 */
export function libsodiumShareCipher(sodium: LibsodiumAead): ShareCipher {
  return {
    seal: (key, nonce, plaintext, aad) =>
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, null, nonce, key),
    open(key, nonce, sealed, aad) {
      try {
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, aad, nonce, key);
      } catch {
        // libsodium says no more than that the tag is wrong.
        return undefined;
      }
    },
  };
}
