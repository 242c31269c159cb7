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
 * Names of the tiles and entry bundles that a log must publish before a checkpoint of `newSize`, given that those of
 * `oldSize` are published: every tile at the growing edge, full or partial (C2SP tlog-tiles). Write them all, then the
 * checkpoint.
 */
export function* newTileNames(oldSize: number, newSize: number): Generator<TileName> {
  yield* edgeTiles("entries", oldSize, newSize);
  for (let level = 0, scale = 1; newSize >= scale; level++, scale *= tileWidth)
    yield* edgeTiles(level, Math.floor(oldSize / scale), Math.floor(newSize / scale));
}

function* edgeTiles(level: TileName["level"], oldCount: number, newCount: number): Generator<TileName> {
  if (newCount === oldCount) return;
  for (let index = Math.floor(oldCount / tileWidth); index * tileWidth < newCount; index++)
    yield { level, index: BigInt(index), width: Math.min(tileWidth, newCount - index * tileWidth) };
}

/** The bytes of a tile or entry bundle. @throws LedgerError OUT_OF_RANGE where the tree has none such */
export function tileOf({ tree, entry }: TileSource, { level, index, width }: TileName): Uint8Array {
  const first = Number(index) * tileWidth;
  return level === "entries"
    ? entryBundleBytes(Array.from({ length: width }, (_, at) => entry(first + at)))
    : tileBytes(Array.from({ length: width }, (_, at) => tree.completeSubtree(8 * level, first + at)));
}

/** The files of {@link newTileNames}. */
export function* newTiles(source: TileSource, oldSize: number, newSize: number): Generator<TileFile> {
  for (const name of newTileNames(oldSize, newSize)) yield { path: tilePath(name), bytes: tileOf(source, name) };
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
