import { encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { hmacSha256 } from "../crypto/hash.js";
import { LedgerError } from "../errors.js";

/**
 * A participant's pseudonym in one population: the first 16 bytes of HMAC-SHA-256(subject key, population), base64url.
 * Without the subject key the pseudonyms of one person in two populations cannot be linked.
 * @throws LedgerError BAD_KEY unless the subject key has 32 bytes.
 */
export function subjectPseudonym(subjectKey: Uint8Array, population: string): string {
  if (subjectKey.length !== 32)
    throw new LedgerError("BAD_KEY", `A subject key has 32 bytes, not ${subjectKey.length}.`);
  return encodeBase64Url(hmacSha256(subjectKey, encodeUtf8(population)).subarray(0, 16));
}
