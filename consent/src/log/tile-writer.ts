import { entryBundleBytes, type TileName, tileBytes, tilePath, tileWidth } from "./tiles.js";
import type { MerkleTree } from "./tree.js";

/** A file of a tiled log. */
export interface TileFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What tiles are made of. */
export interface TileSource {
  readonly tree: MerkleTree;
  /** Bytes of the entry at an index. */
  readonly entry: (index: number) => Uint8Array;
}

/**
 * The tiles and entry bundles that a log must publish before a checkpoint of `newSize`, given that those of `oldSize`
 * are published: every tile at the growing edge, full or partial (C2SP tlog-tiles). Write them all, then the checkpoint.
 */
export function* newTiles({ tree, entry }: TileSource, oldSize: number, newSize: number): Generator<TileFile> {
  yield* edgeTiles("entries", oldSize, newSize, ({ first, width }) =>
    entryBundleBytes(Array.from({ length: width }, (_, at) => entry(first + at))),
  );
  for (let level = 0, scale = 1; newSize >= scale; level++, scale *= tileWidth) {
    const height = 8 * level;
    yield* edgeTiles(level, Math.floor(oldSize / scale), Math.floor(newSize / scale), ({ first, width }) =>
      tileBytes(Array.from({ length: width }, (_, at) => tree.completeSubtree(height, first + at))),
    );
  }
}

function* edgeTiles(
  level: TileName["level"],
  oldCount: number,
  newCount: number,
  bytesOf: (span: { readonly first: number; readonly width: number }) => Uint8Array,
): Generator<TileFile> {
  if (newCount === oldCount) return;
  for (let index = Math.floor(oldCount / tileWidth); index * tileWidth < newCount; index++) {
    const first = index * tileWidth;
    const width = Math.min(tileWidth, newCount - first);
    yield { path: tilePath({ level, index: BigInt(index), width }), bytes: bytesOf({ first, width }) };
  }
}

/**
 * HTTP headers for a file of a tiled log: tiles never change, the checkpoint always may. A partial tile does not change
 * either, but is soon outgrown by a wider one, so caches need not keep it for long.
 */
export function tileHeaders(path: string): { readonly "content-type": string; readonly "cache-control": string } {
  if (path === "checkpoint") return { "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache" };
  const seconds = path.includes(".p/") ? 86_400 : 31_536_000;
  return {
    "content-type": "application/octet-stream",
    "cache-control": `public, max-age=${seconds}, immutable`,
  };
}
