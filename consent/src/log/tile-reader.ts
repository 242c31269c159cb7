import { equalBytes } from "../crypto/bytes.js";
import { LedgerError } from "../errors.js";
import type { Checkpoint } from "./checkpoint.js";
import { emptyRoot, leafHash, nodeHash } from "./hashing.js";
import { consistencyRanges, inclusionRanges, splitOf } from "./ranges.js";
import { parseEntryBundle, parseTile, tileAt, tilePath, tileWidth } from "./tiles.js";
import { MerkleTree } from "./tree.js";

/** Reads a file of a tiled log by its path, from a folder or over HTTP. */
export type TileFetch = (path: string, signal?: AbortSignal) => Promise<Uint8Array>;

/**
 * A log read from its tiles, at the size of a checkpoint one has opened. Hashes are taken from tiles as they come: what
 * is computed from them proves itself against the checkpoint's root.
 */
export class TiledTree {
  readonly #fetch: TileFetch;
  readonly #size: number;
  readonly #tiles = new Map<string, Promise<readonly Uint8Array[]>>();

  constructor(fetch: TileFetch, size: number) {
    this.#fetch = fetch;
    this.#size = size;
  }

  /** Root over the first `size` entries. @throws LedgerError OUT_OF_RANGE, BAD_TILE */
  async root(size: number = this.#size): Promise<Uint8Array> {
    this.#expect(size, this.#size);
    return size === 0 ? emptyRoot() : this.#subtree(0, size);
  }

  /** Audit path of a leaf, leaf to root. @throws LedgerError OUT_OF_RANGE, BAD_TILE */
  async inclusionProof(index: number, size: number = this.#size): Promise<Uint8Array[]> {
    this.#expect(size, this.#size);
    this.#expect(index, size - 1);
    return Promise.all(inclusionRanges(index, size).map(([start, end]) => this.#subtree(start, end)));
  }

  /** Consistency proof between two sizes. @throws LedgerError OUT_OF_RANGE, BAD_TILE */
  async consistencyProof(oldSize: number, newSize: number = this.#size): Promise<Uint8Array[]> {
    this.#expect(newSize, this.#size);
    this.#expect(oldSize, newSize);
    return Promise.all(consistencyRanges(oldSize, newSize).map(([start, end]) => this.#subtree(start, end)));
  }

  async #subtree(start: number, end: number): Promise<Uint8Array> {
    const width = end - start;
    const height = Math.log2(width);
    // A tile holds heights 0, 8, 16 …: anything between is hashed from it.
    if (Number.isInteger(height) && height % 8 === 0) return this.#hashAt(height / 8, start / width);
    const middle = start + splitOf(width);
    const [left, right] = await Promise.all([this.#subtree(start, middle), this.#subtree(middle, end)]);
    return nodeHash(left, right);
  }

  async #hashAt(level: number, position: number): Promise<Uint8Array> {
    const name = tileAt(level, position, this.#size);
    const path = tilePath(name);
    const known = this.#tiles.get(path) ?? this.#fetch(path).then((bytes) => parseTile(bytes, name.width));
    this.#tiles.set(path, known);
    const hash = (await known)[position % tileWidth];
    if (hash === undefined) throw new LedgerError("BAD_TILE", `The tile ${path} lacks position ${position}.`);
    return hash;
  }

  #expect(value: number, most: number): void {
    if (!Number.isSafeInteger(value) || value < 0 || value > most)
      throw new LedgerError("OUT_OF_RANGE", `${value} lies outside 0 to ${most}.`);
  }
}

/**
 * All entries of a tiled log, in order. They prove themselves only at the end: the last step compares the root, so use
 * nothing before the iteration is over.
 * @throws LedgerError BAD_TILE when a bundle is malformed or the entries have another root than the checkpoint.
 */
export async function* tiledEntries(
  fetch: TileFetch,
  checkpoint: Checkpoint,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const tree = new MerkleTree();
  while (tree.size < checkpoint.size) {
    signal?.throwIfAborted();
    const name = tileAt("entries", tree.size, checkpoint.size);
    for (const entry of parseEntryBundle(await fetch(tilePath(name), signal), name.width)) {
      tree.append(leafHash(entry));
      yield entry;
    }
  }
  if (!equalBytes(tree.root(), checkpoint.root))
    throw new LedgerError(
      "BAD_TILE",
      `The entries in the tiles of ${checkpoint.origin} have another root than its checkpoint.`,
    );
}
