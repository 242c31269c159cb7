/** What is derived from the log's entries: tree and consent view. Rebuilt from the database whenever in doubt. */
import {
  ConsentView,
  type Entry,
  equalBytes,
  leafHash,
  MerkleTree,
  openCheckpoint,
  parseEntry,
} from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import type { Kysely } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database } from "../store/database.js";

/** Entries fetched from the database at a time. */
const PAGE = 512;

/** The log's newest signed state. */
export interface SignedCheckpoint {
  /** C2SP signed note. */
  readonly text: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

export interface LogState {
  readonly tree: MerkleTree;
  readonly view: ConsentView;
  /** The same once more: the one that goes ahead by the entries of a transaction under way. */
  readonly aheadView: ConsentView;
  /** The coordinator's last entry's time, milliseconds since the epoch; 0 when there is none. */
  readonly lastTimeMs: number;
}

export function corrupt(message: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError("LEDGER_CORRUPT", `${message}; restore the data folder from a backup`, { cause });
}

/** The same bytes as other sources give them: drivers return Buffers, whose `slice` is another one. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of entries [from, to), in order, with the leaf hashes beside them. */
export async function* readEntries(
  db: Kysely<Database>,
  from: number,
  to: number,
): AsyncGenerator<{ readonly index: number; readonly bytes: Uint8Array; readonly leafHash: Uint8Array }> {
  for (let start = from; start < to; start += PAGE) {
    const rows = await db
      .selectFrom("entries")
      .select(["index", "bytes", "leaf_hash"])
      .where("index", ">=", start)
      .where("index", "<", Math.min(start + PAGE, to))
      .orderBy("index")
      .execute();
    for (const { index, bytes, leaf_hash } of rows) yield { index, bytes: plain(bytes), leafHash: leaf_hash };
    if (rows.length < PAGE) return;
  }
}

/** The entry in a row, checked against its place. */
export function storedEntry(index: number, bytes: Uint8Array, origin: string): Entry {
  let entry: Entry;
  try {
    entry = parseEntry(bytes);
  } catch (cause) {
    throw corrupt(`expected entry ${index} of the database to be a ledger entry, came other bytes`, cause);
  }
  if (entry.log !== origin) {
    throw corrupt(`expected entries of the log ${origin}, came entry ${index} of ${entry.log}`);
  }
  return entry;
}

/**
 * Reads the whole log.
 *
 * @param options.to number of entries to read, where others may be appending more; all unless given
 * @throws CoordinatorError LEDGER_CORRUPT when an entry is missing, changed or of another log
 */
export async function readLog(
  db: Kysely<Database>,
  origin: string,
  { to = Number.MAX_SAFE_INTEGER, signal }: { readonly to?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<LogState> {
  const tree = new MerkleTree();
  const view = new ConsentView();
  const aheadView = new ConsentView();
  let lastTimeMs = 0;
  for await (const { index, bytes, leafHash: stored } of readEntries(db, 0, to)) {
    signal?.throwIfAborted();
    if (index !== tree.size) throw corrupt(`expected entry ${tree.size} in the database, came ${index}`);
    const hash = leafHash(bytes);
    if (!equalBytes(hash, stored)) throw corrupt(`expected entry ${index} to have the hash beside it, came another`);
    const entry = storedEntry(index, bytes, origin);
    tree.append(hash);
    view.apply(index, entry);
    aheadView.apply(index, entry);
    if (entry.actor === "coordinator") lastTimeMs = Math.max(lastTimeMs, entry.ts);
  }
  return { tree, view, aheadView, lastTimeMs };
}

/** The stored checkpoint, or undefined in a new database. */
export async function readCheckpoint(db: Kysely<Database>): Promise<SignedCheckpoint | undefined> {
  return db.selectFrom("checkpoint").select(["size", "root", "text"]).where("id", "=", 1).executeTakeFirst();
}

/**
 * Checks that the checkpoint is signed by this log's key and is about exactly these entries. The two were written in
 * one transaction, so any difference means that a file was changed, or put together from two states.
 *
 * @throws CoordinatorError LEDGER_CORRUPT
 */
export async function checkCheckpoint(checkpoint: SignedCheckpoint, tree: MerkleTree, vkey: string): Promise<void> {
  const signed = await openCheckpoint(checkpoint.text, { vkey }, nodeVerifier()).catch((cause: unknown) => {
    throw corrupt("expected the stored checkpoint to be signed by this log's key and origin, it is not", cause);
  });
  if (signed.size !== checkpoint.size || !equalBytes(signed.root, checkpoint.root)) {
    throw corrupt("expected the stored checkpoint to say what is stored beside it, it says something else");
  }
  if (checkpoint.size > tree.size) {
    throw corrupt(`expected at least the ${checkpoint.size} entries of the signed checkpoint, came ${tree.size}`);
  }
  if (checkpoint.size < tree.size) {
    throw corrupt(`expected the ${checkpoint.size} entries of the signed checkpoint and no more, came ${tree.size}`);
  }
  if (!equalBytes(tree.root(), checkpoint.root)) {
    throw corrupt("expected the entries to have the root of the signed checkpoint, they have another");
  }
}
