// Ed25519 through WebCrypto: the same code in browsers and in Node.
import { LedgerError } from "../errors.js";
import { concatBytes } from "./bytes.js";
import { isSoundPublicKey, isSoundSignature, type SignatureVerifier, type Signer } from "./ed25519.js";
import { decodeBase64Url } from "./encoding.js";

const algorithm = { name: "Ed25519" };
// PKCS #8 wrapping of a 32-byte Ed25519 seed (RFC 8410 §7).
const pkcs8Prefix = new Uint8Array([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]);

/** A signer whose key pair an app can keep, for example in IndexedDB, without ever seeing the private key. */
export interface WebCryptoSigner extends Signer {
  readonly keyPair: CryptoKeyPair;
}

/** A copy that WebCrypto accepts whatever buffer the view lies on. */
function bufferCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** A signer over a WebCrypto key pair; the private key may be non-extractable. */
export async function webCryptoSigner(keyPair: CryptoKeyPair): Promise<WebCryptoSigner> {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", keyPair.publicKey));
  return {
    keyPair,
    publicKey,
    sign: async (message) =>
      new Uint8Array(await crypto.subtle.sign(algorithm, keyPair.privateKey, bufferCopy(message))),
  };
}

/**
 * A signer over a 32-byte seed (RFC 8032 §5.1.5).
 * @throws LedgerError BAD_KEY when the seed is not 32 bytes.
 */
export async function webCryptoSignerFromSeed(seed: Uint8Array): Promise<WebCryptoSigner> {
  if (seed.length !== 32) throw new LedgerError("BAD_KEY", `A seed has 32 bytes, not ${seed.length}.`);
  const pkcs8 = bufferCopy(concatBytes(pkcs8Prefix, seed));
  const extractable = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", extractable);
  if (x === undefined) throw new LedgerError("BAD_KEY", "WebCrypto did not derive a public key from the seed.");
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  const raw = bufferCopy(decodeBase64Url(x));
  const publicKey = await crypto.subtle.importKey("raw", raw, algorithm, true, ["verify"]);
  return webCryptoSigner({ privateKey, publicKey });
}

/** A signer with a fresh key pair whose private key cannot be extracted. */
export async function generateWebCryptoSigner(): Promise<WebCryptoSigner> {
  const pair = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new LedgerError("BAD_KEY", "WebCrypto did not make an Ed25519 key pair.");
  return webCryptoSigner(pair);
}

/** A verifier that runs in browsers and in Node. */
export function webCryptoVerifier(): SignatureVerifier {
  return {
    verify: async (publicKey, message, signature) => {
      if (!isSoundPublicKey(publicKey) || !isSoundSignature(signature)) return false;
      try {
        const key = await crypto.subtle.importKey("raw", bufferCopy(publicKey), algorithm, false, ["verify"]);
        return await crypto.subtle.verify(algorithm, key, bufferCopy(signature), bufferCopy(message));
      } catch {
        return false; // the key is not a point of the curve
      }
    },
  };
}
