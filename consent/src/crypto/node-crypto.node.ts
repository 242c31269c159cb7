// Ed25519 through node:crypto: synchronous, and several times faster than WebCrypto for many small messages.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { LedgerError } from "../errors.js";
import { isSoundPublicKey, isSoundSignature, type SignatureVerifier, type Signer } from "./ed25519.js";

/** Stands in for the public key that is not known yet: the platform takes the seed and computes its own. */
const UNKNOWN = Buffer.alloc(32).toString("base64url");

/** A signer that answers at once. */
export interface NodeSigner extends Signer {
  sign(message: Uint8Array): Uint8Array;
}

/** A verifier that answers at once. */
export interface NodeVerifier extends SignatureVerifier {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * A signer over a 32-byte seed (RFC 8032 §5.1.5).
 * @throws LedgerError BAD_KEY when the seed is not 32 bytes.
 */
export function nodeSigner(seed: Uint8Array): NodeSigner {
  if (seed.length !== 32) throw new LedgerError("BAD_KEY", `A seed has 32 bytes, not ${seed.length}.`);
  const d = Buffer.from(seed.buffer, seed.byteOffset, seed.byteLength).toString("base64url");
  // As JWK rather than DER, as below.
  const privateKey = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x: UNKNOWN }, format: "jwk" });
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  const publicKey = new Uint8Array(Buffer.from(x ?? "", "base64url"));
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

/** A signer with a fresh seed. */
export function generateNodeSigner(): NodeSigner {
  return nodeSigner(randomBytes(32));
}

/**
 * A verifier that keeps the parsed form of the keys it meets, at most `keys` of them: a participant signs
 * many entries.
 */
export function nodeVerifier({ keys = 65_536 }: { readonly keys?: number } = {}): NodeVerifier {
  const parsed = new Map<string, KeyObject | null>();

  function keyObject(publicKey: Uint8Array): KeyObject | null {
    const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString("base64url");
    const known = parsed.get(name);
    if (known !== undefined) return known;
    let key: KeyObject | null = null;
    if (isSoundPublicKey(publicKey)) {
      try {
        // As JWK rather than DER: OpenSSL's decoder would take ten times as long (85 µs against 8 µs).
        key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: name }, format: "jwk" });
      } catch {
        key = null; // not a point of the curve
      }
    }
    if (parsed.size >= keys) parsed.clear();
    parsed.set(name, key);
    return key;
  }

  return {
    verify: (publicKey, message, signature) => {
      if (!isSoundSignature(signature)) return false;
      const key = keyObject(publicKey);
      return key !== null && verify(null, message, key, signature);
    },
  };
}
