import { sha256Text } from "../crypto/hash.js";
import { parseEntry } from "../entries/entry.js";
import { LedgerError } from "../errors.js";
import { readUnverifiedCheckpoint } from "../log/checkpoint.js";
import { bundleFormat, checkpointLine, headerLine } from "./format.js";

/** A sequence that may be read from a disk or database as it goes. */
export type Stream<T> = AsyncIterable<T> | Iterable<T>;

/** What goes into a bundle. */
export interface BundleContents {
  readonly vkey: string;
  readonly witnesses?: readonly string[];
  /** The signed checkpoint; its size says how many entries follow. */
  readonly checkpoint: string;
  /** Canonical bytes of every entry, in index order. */
  readonly entries: Stream<Uint8Array>;
  /**
   * Hashes (base64url) of the blobs that entries name, each once, in the order in which the log first names them; see
   * {@link blobsNamedBy}.
   */
  readonly blobs: readonly string[];
  /** Finds a blob by its hash. */
  readonly blob: (sha256: string) => Promise<Uint8Array> | Uint8Array;
  readonly signal?: AbortSignal;
}

const newline = new Uint8Array([10]);

/** Hashes of the blobs that an entry names; the order of a bundle's blobs is that of their first mention. */
export function blobsNamedBy(entryBytes: Uint8Array): readonly string[] {
  const entry = parseEntry(entryBytes);
  const blob = entry.type === "round.close" ? entry.body.cohort?.blob : null;
  return blob === null || blob === undefined ? [] : [blob];
}

/**
 * The bytes of a bundle, piece by piece.
 * @throws LedgerError BAD_BUNDLE when there are not as many entries as the checkpoint says, or a blob does not have the
 * hash that names it; BAD_CHECKPOINT, BAD_NOTE; the signal's reason when aborted.
 */
export async function* writeBundle(contents: BundleContents): AsyncGenerator<Uint8Array> {
  const { vkey, witnesses = [], checkpoint, blobs, signal } = contents;
  const { origin: log, size } = readUnverifiedCheckpoint(checkpoint);
  yield headerLine({ format: bundleFormat, log, vkey, witnesses, entries: size, blobs: blobs.length });
  yield newline;
  let written = 0;
  for await (const entry of contents.entries) {
    signal?.throwIfAborted();
    if (written === size) throw new LedgerError("BAD_BUNDLE", `The checkpoint is of ${size} entries; more were given.`);
    written++;
    yield entry;
    yield newline;
  }
  if (written < size)
    throw new LedgerError("BAD_BUNDLE", `The checkpoint is of ${size} entries; only ${written} were given.`);
  for (const sha256 of blobs) {
    signal?.throwIfAborted();
    const blob = await contents.blob(sha256);
    if (sha256Text(blob) !== sha256)
      throw new LedgerError("BAD_BUNDLE", `The blob kept as ${sha256} has another content; restore it from a backup.`);
    yield blob;
    yield newline;
  }
  yield checkpointLine(checkpoint);
  yield newline;
}
