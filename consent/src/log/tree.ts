// A Merkle tree that keeps every complete subtree's hash (two hashes a leaf), so that appending touches O(log n) nodes
// and any root or proof of any earlier size is made without rehashing leaves.
import { LedgerError } from "../errors.js";
import { emptyRoot, hashBytes, nodeHash } from "./hashing.js";
import { consistencyRanges, inclusionRanges, splitOf } from "./ranges.js";

/** Hashes of one level, packed one after the other in a buffer that doubles as it fills. */
class HashLevel {
  #bytes = new Uint8Array(16 * hashBytes);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(hash: Uint8Array): void {
    const at = this.#length * hashBytes;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(hash, at);
    this.#length++;
  }

  /** A view, valid for reading until the next push. */
  at(index: number): Uint8Array {
    return this.#bytes.subarray(index * hashBytes, (index + 1) * hashBytes);
  }
}

/** The append-only Merkle tree of RFC 6962 §2.1 over leaf hashes. */
export class MerkleTree {
  readonly #levels: HashLevel[] = [new HashLevel()];

  /** Number of leaves. */
  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  /**
   * Adds a leaf and answers its index; at most log₂(size) node hashes.
   * @throws LedgerError OUT_OF_RANGE when the hash is not 32 bytes long.
   */
  append(leafHash: Uint8Array): number {
    if (leafHash.length !== hashBytes)
      throw new LedgerError("OUT_OF_RANGE", `A leaf hash has ${hashBytes} bytes, not ${leafHash.length}.`);
    const index = this.size;
    let hash = leafHash;
    for (let height = 0; ; height++) {
      const level = this.#level(height);
      level.push(hash);
      if (level.length % 2 === 1) return index;
      hash = nodeHash(level.at(level.length - 2), level.at(level.length - 1));
    }
  }

  /**
   * A copy of the leaf hash at an index.
   * @throws LedgerError OUT_OF_RANGE
   */
  leafHashAt(index: number): Uint8Array {
    this.#expect(index, this.size - 1, "index");
    return this.#level(0).at(index).slice();
  }

  /**
   * A copy of the hash of the complete subtree `index` at a height: leaves [index·2^height, (index+1)·2^height).
   * @throws LedgerError OUT_OF_RANGE when the subtree is not complete.
   */
  completeSubtree(height: number, index: number): Uint8Array {
    const level = this.#levels[height];
    this.#expect(index, (level?.length ?? 0) - 1, `index of subtree at height ${height}`);
    return this.#level(height).at(index).slice();
  }

  /**
   * A copy of the hash over the leaves [start, end) as it stands in a tree: a range of `inclusionRanges`,
   * `consistencyRanges` or `forkRanges`.
   * @throws LedgerError OUT_OF_RANGE when the range is empty, outside the log, or no subtree.
   */
  rangeHash(start: number, end: number): Uint8Array {
    this.#expect(end, this.size, "end of the range");
    this.#expect(start, end - 1, "start of the range");
    let width = 1;
    while (width < end - start) width *= 2;
    if (start % width !== 0) throw new LedgerError("OUT_OF_RANGE", `Leaves ${start} to ${end} are no subtree.`);
    return this.#subtree(start, end).slice();
  }

  /**
   * Root of the tree, or of the tree as it was at an earlier size.
   * @throws LedgerError OUT_OF_RANGE
   */
  root(size: number = this.size): Uint8Array {
    this.#expect(size, this.size, "tree size");
    return size === 0 ? emptyRoot() : this.#subtree(0, size).slice();
  }

  /**
   * Audit path of a leaf in the tree of a size, leaf to root (RFC 6962 §2.1.1).
   * @throws LedgerError OUT_OF_RANGE
   */
  inclusionProof(index: number, size: number = this.size): Uint8Array[] {
    this.#expect(size, this.size, "tree size");
    this.#expect(index, size - 1, "index");
    return inclusionRanges(index, size).map(([start, end]) => this.#subtree(start, end).slice());
  }

  /**
   * Proof that the tree of `oldSize` is a prefix of the tree of `newSize` (RFC 6962 §2.1.2); empty for equal sizes and
   * for `oldSize` 0, of which every tree is an extension.
   * @throws LedgerError OUT_OF_RANGE
   */
  consistencyProof(oldSize: number, newSize: number = this.size): Uint8Array[] {
    this.#expect(newSize, this.size, "new tree size");
    this.#expect(oldSize, newSize, "old tree size");
    return consistencyRanges(oldSize, newSize).map(([start, end]) => this.#subtree(start, end).slice());
  }

  #level(height: number): HashLevel {
    const known = this.#levels[height];
    if (known !== undefined) return known;
    const level = new HashLevel();
    this.#levels[height] = level;
    return level;
  }

  /** Hash over leaves [start, end), where start is a multiple of the power of two that holds the range. */
  #subtree(start: number, end: number): Uint8Array {
    const width = end - start;
    const height = Math.log2(width);
    if (Number.isInteger(height)) return this.#level(height).at(start / width);
    const middle = start + splitOf(width);
    return nodeHash(this.#subtree(start, middle), this.#subtree(middle, end));
  }

  #expect(value: number, most: number, name: string): void {
    if (!Number.isSafeInteger(value) || value < 0 || value > most)
      throw new LedgerError(
        "OUT_OF_RANGE",
        `The ${name} is ${value}; the log of ${this.size} entries allows 0 to ${most}.`,
      );
  }
}
