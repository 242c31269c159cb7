import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";

/** SHA-256 (FIPS 180-4), synchronous: 32 bytes. In plain JavaScript here; in Node the package imports node:crypto. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}
