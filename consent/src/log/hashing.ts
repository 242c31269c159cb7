// Tree hashing of RFC 6962 §2.1 (the same in RFC 9162 §2.1.1): the prefix keeps a leaf from passing as a node.
import { sha256 } from "../crypto/hash.js";

/** Length of every hash in the log, in bytes. */
export const hashBytes = 32;

/** Hash of an entry: SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(1 + entry.length);
  prefixed.set(entry, 1);
  return sha256(prefixed);
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(1 + 2 * hashBytes);
  prefixed[0] = 1;
  prefixed.set(left, 1);
  prefixed.set(right, 1 + hashBytes);
  return sha256(prefixed);
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0));
}
