import { SecAggError } from "../errors.js";

/** An X25519 key pair as raw bytes, 32 each; the secret key can be shared and rebuilt. */
export interface KeyPair {
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** X25519 (RFC 7748) on raw keys. Implementations: `nodeKeyAgreement`, `webCryptoKeyAgreement`. */
export interface KeyAgreement {
  /** The public key of 32 secret bytes, which are clamped as RFC 7748 says. */
  publicKey(secretKey: Uint8Array): Promise<Uint8Array> | Uint8Array;
  /** The shared secret with each public key, in order. May throw on public keys of low order. */
  sharedSecrets(own: KeyPair, publicKeys: readonly Uint8Array[]): Promise<Uint8Array[]> | Uint8Array[];
}

export const KEY_BYTES = 32;

/**
 * u-coordinates of the points whose order divides 8, on the curve and on its twist (RFC 7748, section 6.1;
 * Bernstein, "Curve25519: new Diffie-Hellman speed records", section 3), little-endian.
 */
const LOW_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/**
 * Refuses public keys that could force a known shared secret, and encodings that are not the one of their point: two
 * encodings of one key would pass for two keys.
 *
 * @throws SecAggError MALFORMED, LOW_ORDER_KEY
 */
export function requirePublicKey(publicKey: Uint8Array): void {
  if (publicKey.length !== KEY_BYTES) {
    throw new SecAggError("MALFORMED", `An X25519 public key has ${KEY_BYTES} bytes; this has ${publicKey.length}.`);
  }
  if (!isBelowFieldPrime(publicKey)) {
    throw new SecAggError("MALFORMED", "An X25519 public key must be below 2^255 − 19; this one is not canonical.");
  }
  if (LOW_ORDER.has(hex(publicKey))) {
    throw new SecAggError("LOW_ORDER_KEY", "An X25519 public key has low order: its holder forced a known secret.");
  }
}

/**
 * The shared secrets with checked public keys.
 *
 * @throws SecAggError LOW_ORDER_KEY when a secret is all zeros
 */
export async function agree(
  keyAgreement: KeyAgreement,
  own: KeyPair,
  publicKeys: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const secrets = await keyAgreement.sharedSecrets(own, publicKeys);
  for (const secret of secrets) {
    let bits = 0;
    for (const byte of secret) bits |= byte;
    if (bits === 0)
      throw new SecAggError("LOW_ORDER_KEY", "An X25519 agreement gave all zeros; the key has low order.");
  }
  return secrets;
}

function isBelowFieldPrime(littleEndian: Uint8Array): boolean {
  const top = littleEndian[31] ?? 0xff;
  if (top !== 0x7f) return top < 0x7f;
  for (let i = 30; i > 0; i--) if (littleEndian[i] !== 0xff) return true;
  return (littleEndian[0] ?? 0xff) < 0xed;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal, as a key for sets and maps. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
