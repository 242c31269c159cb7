import { KEY_BYTES, type KeyAgreement } from "./key-agreement.js";

/** DER header of an X25519 private key (RFC 8410, section 7); 32 secret bytes follow. */
const PKCS8_HEADER = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);
/** The base point u = 9 (RFC 7748, section 4.1): agreeing with it computes a public key, which WebCrypto cannot else. */
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(KEY_BYTES - 1));

/**
 * X25519 by WebCrypto (Chromium 133, Firefox 130, Safari 17, Node 20).
 *
 * @param subtle the platform's; the global one when it is left out
 */
export function webCryptoKeyAgreement(subtle: SubtleCrypto = globalThis.crypto.subtle): KeyAgreement {
  async function importSecretKey(secretKey: Uint8Array): Promise<CryptoKey> {
    const encoded = Uint8Array.of(...PKCS8_HEADER, ...secretKey);
    const key = await subtle.importKey("pkcs8", encoded, { name: "X25519" }, false, ["deriveBits"]);
    encoded.fill(0);
    return key;
  }

  async function derive(privateKey: CryptoKey, publicKey: Uint8Array): Promise<Uint8Array> {
    const imported = await subtle.importKey("raw", new Uint8Array(publicKey), { name: "X25519" }, true, []);
    return new Uint8Array(await subtle.deriveBits({ name: "X25519", public: imported }, privateKey, 8 * KEY_BYTES));
  }

  return {
    publicKey: async (secretKey) => derive(await importSecretKey(secretKey), BASE_POINT),
    async sharedSecrets(own, publicKeys) {
      const privateKey = await importSecretKey(own.secretKey);
      return Promise.all(publicKeys.map((publicKey) => derive(privateKey, publicKey)));
    },
  };
}
