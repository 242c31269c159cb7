// Static tiles (C2SP tlog-tiles): paths and bytes of Merkle tiles and entry bundles of width 256.
import { concatBytes } from "../crypto/bytes.js";
import { LedgerError } from "../errors.js";
import { hashBytes } from "./hashing.js";

/** Hashes in a full tile, entries in a full bundle. */
export const tileWidth = 256;
/** No entry is longer: a bundle writes its length in 16 bits. */
export const maxEntryBytes = 65_535;
const maxLevel = 63;
const maxIndex = 10n ** 18n - 1n;

/** Which tile a path names. `level` "entries" is an entry bundle; a full tile has width 256. */
export interface TileName {
  readonly level: number | "entries";
  readonly index: bigint;
  readonly width: number;
}

function indexPath(index: bigint): string {
  let path = (index % 1000n).toString().padStart(3, "0");
  for (let rest = index / 1000n; rest > 0n; rest /= 1000n)
    path = `x${(rest % 1000n).toString().padStart(3, "0")}/${path}`;
  return path;
}

/**
 * Path of a tile relative to the log's prefix, such as `tile/0/x001/x234/067` or `tile/entries/000.p/5`.
 * @throws LedgerError BAD_TILE
 */
export function tilePath({ level, index, width }: TileName): string {
  if (level !== "entries" && (!Number.isInteger(level) || level < 0 || level > maxLevel))
    throw new LedgerError("BAD_TILE", `A tile's level is 0 to ${maxLevel}, not ${level}.`);
  if (index < 0n || index > maxIndex)
    throw new LedgerError("BAD_TILE", `A tile's index is 0 to ${maxIndex}, not ${index}.`);
  if (!Number.isInteger(width) || width < 1 || width > tileWidth)
    throw new LedgerError("BAD_TILE", `A tile's width is 1 to ${tileWidth}, not ${width}.`);
  return `tile/${level}/${indexPath(index)}${width === tileWidth ? "" : `.p/${width}`}`;
}

/**
 * The tile that a path names.
 * @throws LedgerError BAD_TILE unless the path is spelled exactly as {@link tilePath} spells it.
 */
export function parseTilePath(path: string): TileName {
  const match = /^tile\/(0|[1-9][0-9]?|entries)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  const [, levelText, indexText, widthText] = match ?? [];
  if (levelText === undefined || indexText === undefined)
    throw new LedgerError("BAD_TILE", `"${path.slice(0, 80)}" is not tile/LEVEL/xNNN/NNN or tile/LEVEL/NNN.p/WIDTH.`);
  const width = widthText === undefined ? tileWidth : Number(widthText);
  const name: TileName = {
    level: levelText === "entries" ? levelText : Number(levelText),
    index: BigInt(indexText.replace(/[x/]/g, "")),
    width,
  };
  if ((widthText !== undefined && width >= tileWidth) || tilePath(name) !== path)
    throw new LedgerError("BAD_TILE", `"${path.slice(0, 80)}" is not the one spelling of its tile.`);
  return name;
}

/**
 * The tile at a level that holds the hash of a position on that level, in a log of a size.
 * @throws LedgerError OUT_OF_RANGE when the log has no such hash.
 */
export function tileAt(level: number | "entries", position: number, logSize: number): TileName {
  const hashes = level === "entries" ? logSize : Math.floor(logSize / tileWidth ** level);
  if (!Number.isSafeInteger(position) || position < 0 || position >= hashes)
    throw new LedgerError(
      "OUT_OF_RANGE",
      `Level ${level} of a log of ${logSize} has ${hashes} hashes, not one at ${position}.`,
    );
  const index = Math.floor(position / tileWidth);
  return { level, index: BigInt(index), width: Math.min(tileWidth, hashes - index * tileWidth) };
}

/** Bytes of a Merkle tile: its hashes one after the other. */
export function tileBytes(hashes: readonly Uint8Array[]): Uint8Array {
  checkWidth(hashes.length);
  if (hashes.some((hash) => hash.length !== hashBytes))
    throw new LedgerError("BAD_TILE", `Every hash of a tile has ${hashBytes} bytes.`);
  return concatBytes(...hashes);
}

/**
 * Hashes of a Merkle tile of a width.
 * @throws LedgerError BAD_TILE when the length is not width × 32.
 */
export function parseTile(bytes: Uint8Array, width: number): Uint8Array[] {
  checkWidth(width);
  if (bytes.length !== width * hashBytes)
    throw new LedgerError("BAD_TILE", `A tile of width ${width} has ${width * hashBytes} bytes, not ${bytes.length}.`);
  return Array.from({ length: width }, (_, at) => bytes.slice(at * hashBytes, (at + 1) * hashBytes));
}

/**
 * Bytes of an entry bundle: each entry after its length as a 16-bit big-endian number.
 * @throws LedgerError TOO_LARGE for an entry over 65 535 bytes, BAD_TILE for no entries or more than 256.
 */
export function entryBundleBytes(entries: readonly Uint8Array[]): Uint8Array {
  checkWidth(entries.length);
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > maxEntryBytes)
      throw new LedgerError("TOO_LARGE", `An entry has at most ${maxEntryBytes} bytes, not ${entry.length}.`);
    parts.push(new Uint8Array([entry.length >> 8, entry.length & 255]), entry);
  }
  return concatBytes(...parts);
}

/**
 * Entries of a bundle of a width.
 * @throws LedgerError BAD_TILE when the bytes are not exactly that many entries.
 */
export function parseEntryBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  checkWidth(width);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const high = bytes[at];
    const low = bytes[at + 1];
    const end = at + 2 + (high ?? 0) * 256 + (low ?? 0);
    if (low === undefined || end > bytes.length) throw new LedgerError("BAD_TILE", "An entry bundle is cut off.");
    entries.push(bytes.slice(at + 2, end));
    at = end;
  }
  if (entries.length !== width)
    throw new LedgerError("BAD_TILE", `The bundle has ${entries.length} entries; its path says ${width}.`);
  return entries;
}

function checkWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > tileWidth)
    throw new LedgerError("BAD_TILE", `A tile's width is 1 to ${tileWidth}, not ${width}.`);
}
