import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { sha256 } from "#sha256";
import { encodeBase64Url } from "./encoding.js";

export { sha256 };

/** SHA-256 as base64url, the form in which entries name notices, models, blobs and each other. */
export function sha256Text(bytes: Uint8Array): string {
  return encodeBase64Url(sha256(bytes));
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(nobleSha256, key, message);
}
