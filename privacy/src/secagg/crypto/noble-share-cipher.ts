import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { ShareCipher } from "./share-cipher.js";

/**
 * Share encryption in plain JavaScript, for browsers: no WebAssembly, so it runs under any content security policy.
 * ChaCha20 and Poly1305 here are additions, multiplications and rotations of words: no tables, no branches on secrets.
 */
export function nobleShareCipher(): ShareCipher {
  return {
    seal: (key, nonce, plaintext, aad) => xchacha20poly1305(key, nonce, aad).encrypt(plaintext),
    open(key, nonce, sealed, aad) {
      try {
        return xchacha20poly1305(key, nonce, aad).decrypt(sealed);
      } catch {
        // The tag is wrong, or there is none.
        return undefined;
      }
    },
  };
}
