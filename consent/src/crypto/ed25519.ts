// What a signature must be before any curve arithmetic: RFC 8032 §5.1.7 with the strict choices that make every
// implementation agree (Chalkias, Garillot, Nikolaenko: Taming the many EdDSAs, 2020).

/** Length of an Ed25519 public key in bytes. */
export const publicKeyBytes = 32;
/** Length of an Ed25519 signature in bytes. */
export const signatureBytes = 64;

/** Makes Ed25519 signatures. The private key stays inside. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

/**
 * Checks Ed25519 signatures. Answers false, never throws, for anything that is not a valid signature: wrong lengths,
 * a key that is no canonical point or of small order, S not below the group order.
 */
export interface SignatureVerifier {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> | boolean;
}

function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

// Little-endian: the field prime 2^255 − 19 and the group order 2^252 + 27742317777372353535851937790883648493.
const fieldPrime = fromHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
const groupOrder = fromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");

// The y coordinates of the eight points whose order divides 8; the sign of x does not matter.
const smallOrder: readonly Uint8Array[] = [
  fromHex("0000000000000000000000000000000000000000000000000000000000000000"),
  fromHex("0100000000000000000000000000000000000000000000000000000000000000"),
  fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
  fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
  fromHex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
];

function isBelow(value: Uint8Array, bound: Uint8Array, topMask: number): boolean {
  for (let at = 31; at >= 0; at--) {
    const byte = (value[at] ?? 0) & (at === 31 ? topMask : 255);
    const limit = bound[at] ?? 0;
    if (byte !== limit) return byte < limit;
  }
  return false;
}

/** Whether the bytes are a canonical Ed25519 public key that is not of small order. */
export function isSoundPublicKey(key: Uint8Array): boolean {
  if (key.length !== publicKeyBytes || !isBelow(key, fieldPrime, 0x7f)) return false;
  for (const point of smallOrder) {
    let differs = false;
    for (let at = 0; at < 32 && !differs; at++) {
      const byte = (key[at] ?? 0) & (at === 31 ? 0x7f : 255);
      differs = byte !== point[at];
    }
    if (!differs) return false;
  }
  return true;
}

/** Whether the bytes have a signature's length and their S lies below the group order. */
export function isSoundSignature(signature: Uint8Array): boolean {
  return signature.length === signatureBytes && isBelow(signature.subarray(32), groupOrder, 255);
}
