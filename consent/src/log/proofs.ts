// Verification of Merkle proofs: RFC 9162 §2.1.3.2 and §2.1.4.2. Anything malformed is simply not a proof: false.
import { equalBytes } from "../crypto/bytes.js";
import { hashBytes, nodeHash } from "./hashing.js";

/** That the leaf lies at an index of the tree with that size and root. */
export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  /** Audit path, leaf to root. */
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** That one tree is a prefix of another. */
export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly newSize: number;
  readonly newRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((hash) => hash.length === hashBytes);
}

/** Whether the path proves the claim (RFC 9162 §2.1.3.2). */
export function verifyInclusion({ leafHash, index, size, path, root }: InclusionClaim): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (!areHashes([leafHash, root, ...path])) return false;
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(hash, root);
}

/**
 * Whether the path proves that the new tree extends the old one (RFC 9162 §2.1.4.2). An old size of 0 proves nothing
 * and is refused: who accepts an empty log as a start must say so itself.
 */
export function verifyConsistency({ oldSize, oldRoot, newSize, newRoot, path }: ConsistencyClaim): boolean {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize === 0 || oldSize > newSize) return false;
  if (oldSize === newSize) return path.length === 0 && equalBytes(oldRoot, newRoot);
  if (!areHashes([oldRoot, newRoot, ...path])) return false;

  // The old root is the proof's first node where the old tree is one complete subtree; then it is not sent.
  const nodes = Number.isInteger(Math.log2(oldSize)) ? [oldRoot, ...path] : path;
  const roots = path.length === 0 ? undefined : consistentRoots(oldSize, newSize, nodes);
  return roots !== undefined && equalBytes(roots.oldRoot, oldRoot) && equalBytes(roots.newRoot, newRoot);
}

/**
 * Both roots that the nodes of a consistency proof lead to, its first node included (RFC 9162 §2.1.4.2 from step 3);
 * undefined when there are too many or too few. Their shape is fixed by the two sizes, so whoever knows the new root
 * can find no other nodes, and thus no other old root, that lead to it.
 */
export function consistentRoots(
  oldSize: number,
  newSize: number,
  nodes: readonly Uint8Array[],
): { readonly oldRoot: Uint8Array; readonly newRoot: Uint8Array } | undefined {
  const [first, ...rest] = nodes;
  if (first === undefined || oldSize < 1 || oldSize >= newSize) return undefined;
  let node = oldSize - 1;
  let last = newSize - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  let oldRoot = first;
  let newRoot = first;
  for (const sibling of rest) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      oldRoot = nodeHash(sibling, oldRoot);
      newRoot = nodeHash(sibling, newRoot);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newRoot = nodeHash(newRoot, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? { oldRoot, newRoot } : undefined;
}
