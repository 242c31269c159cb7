import { createPrivateKey, createPublicKey, randomUUID, sign, verify } from "node:crypto";
import type { SignatureVerifier, Signer } from "../../src/secagg/crypto/signatures.js";
import { seededBytes } from "./seeded-random.js";

/** DER header of an Ed25519 private key (RFC 8410, section 7). */
const PKCS8_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");

/** A device key that is the same for the same seed. */
export function testSigner(seed: number | string): Signer {
  const der = Buffer.concat([PKCS8_HEADER, seededBytes(`ed25519 ${seed}`, 32)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const publicKey = new Uint8Array(Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url"));
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, key)) };
}

/** node:crypto's verification; product code passes the stricter one of `@fedloop/consent`. */
export function testVerifier(): SignatureVerifier {
  return {
    verify(publicKey, message, signature) {
      if (publicKey.length !== 32 || signature.length !== 64) return false;
      const x = Buffer.from(publicKey).toString("base64url");
      const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
      return verify(null, message, key, signature);
    },
  };
}

/** Stands in for `@fedloop/consent/node` in the documentation's example, which this package cannot import. */
export function generateNodeSigner(): Signer {
  return testSigner(randomUUID());
}

/** Stands in for `@fedloop/consent/node` in the documentation's example. */
export const nodeVerifier: () => SignatureVerifier = testVerifier;
