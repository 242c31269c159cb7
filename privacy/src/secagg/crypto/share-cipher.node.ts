import { createCipheriv, createDecipheriv } from "node:crypto";
import { hchacha20 } from "./hchacha20.js";
import { type ShareCipher, TAG_BYTES } from "./share-cipher.js";

const ALGORITHM = "chacha20-poly1305";

/** Share encryption by node:crypto: ChaCha20-Poly1305 under the HChaCha20 subkey, which is XChaCha20-Poly1305. */
export function nodeShareCipher(): ShareCipher {
  return {
    seal(key, nonce, plaintext, aad) {
      const { subkey, shortNonce } = shorten(key, nonce);
      const cipher = createCipheriv(ALGORITHM, subkey, shortNonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(aad, { plaintextLength: plaintext.length });
      const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      subkey.fill(0);
      return new Uint8Array(sealed);
    },
    open(key, nonce, sealed, aad) {
      if (sealed.length < TAG_BYTES) return undefined;
      const { subkey, shortNonce } = shorten(key, nonce);
      const body = sealed.subarray(0, sealed.length - TAG_BYTES);
      const decipher = createDecipheriv(ALGORITHM, subkey, shortNonce, { authTagLength: TAG_BYTES });
      subkey.fill(0);
      decipher.setAAD(aad, { plaintextLength: body.length });
      decipher.setAuthTag(sealed.subarray(body.length));
      const plaintext = new Uint8Array(decipher.update(body));
      try {
        decipher.final();
        return plaintext;
      } catch {
        plaintext.fill(0);
        return undefined;
      }
    },
  };
}

/** draft-irtf-cfrg-xchacha-03, section 2.3: 16 nonce bytes go into the subkey, 8 after four zeros into the nonce. */
function shorten(key: Uint8Array, nonce: Uint8Array): { subkey: Uint8Array; shortNonce: Uint8Array } {
  const shortNonce = new Uint8Array(12);
  shortNonce.set(nonce.subarray(16, 24), 4);
  return { subkey: hchacha20(key, nonce.subarray(0, 16)), shortNonce };
}
