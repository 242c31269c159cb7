import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import type { KeyAgreement } from "./key-agreement.js";

/** DER header of an X25519 private key (RFC 8410, section 7); 32 secret bytes follow. */
const PKCS8_HEADER = Buffer.from("302e020100300506032b656e04220420", "hex");

/** X25519 by node:crypto, at once. */
export function nodeKeyAgreement(): KeyAgreement {
  return {
    publicKey(secretKey) {
      const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, secretKey]), format: "der", type: "pkcs8" });
      return new Uint8Array(Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url"));
    },
    sharedSecrets(own, publicKeys) {
      // With the public key at hand this is ten times faster than the DER form, which computes it again.
      const key = { kty: "OKP", crv: "X25519", d: base64Url(own.secretKey), x: base64Url(own.publicKey) };
      const privateKey = createPrivateKey({ key, format: "jwk" });
      return publicKeys.map((bytes) => {
        const secret = diffieHellman({ privateKey, publicKey: importPublicKey(bytes) });
        const copy = new Uint8Array(secret);
        secret.fill(0);
        return copy;
      });
    },
  };
}

function importPublicKey(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "X25519", x: base64Url(bytes) }, format: "jwk" });
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}
