// Tree hashing of RFC 6962 §2.1 (the same in RFC 9162 §2.1.1): the prefix keeps a leaf from passing as a node.
import { sha256 } from "../crypto/hash.js";
import { LedgerError } from "../errors.js";

/** Length of every hash in the log, in bytes. */
export const hashBytes = 32;

// What is hashed is put together here: a new array for each entry would take longer than its hash.
const room = new Uint8Array(1 << 16);
const nodeRoom = Uint8Array.of(1, ...new Uint8Array(2 * hashBytes));

/** Hash of an entry: SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  const length = 1 + entry.length;
  const prefixed = length > room.length ? new Uint8Array(length) : room.subarray(0, length);
  prefixed.set(entry, 1);
  return sha256(prefixed);
}

/**
 * Hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
 * @throws LedgerError OUT_OF_RANGE when a part is no hash of 32 bytes.
 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== hashBytes || right.length !== hashBytes)
    throw new LedgerError(
      "OUT_OF_RANGE",
      `Two hashes have ${hashBytes} bytes each, not ${left.length} and ${right.length}.`,
    );
  nodeRoom.set(left, 1);
  nodeRoom.set(right, 1 + hashBytes);
  return sha256(nodeRoom);
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0));
}
