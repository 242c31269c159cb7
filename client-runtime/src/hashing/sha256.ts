import { sha256 as noble } from "@noble/hashes/sha2.js";

/** A hash in the making. */
export interface RunningSha256 {
  update(bytes: Uint8Array): void;
  /** 32 bytes. Ends the hash. */
  digest(): Uint8Array;
}

/** SHA-256, synchronous, whole or piece by piece. The platform's own is several times faster than plain JavaScript. */
export interface Sha256 {
  digest(bytes: Uint8Array): Uint8Array;
  start(): RunningSha256;
}

/** SHA-256 in plain JavaScript, for every platform. */
export const portableSha256: Sha256 = {
  digest: (bytes) => noble(bytes),
  start: () => {
    const hash = noble.create();
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
  },
};

/** Lower-case hexadecimal. */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}
