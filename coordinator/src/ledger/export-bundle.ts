import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { blobsNamedBy, writeBundle } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import { openStoreReader, type StoreLocation } from "../store/location.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { readEntries } from "./log-state.js";

export interface BundleExport {
  /** Path of the coordinator's database, or where else it is; a running coordinator is not disturbed. */
  readonly database: StoreLocation | string;
  /** The log's verifier key, C2SP signed-note. */
  readonly verifierKey: string;
  /** Verifier keys of the log's witnesses. */
  readonly witnesses?: readonly string[];
  /** The file to write; it is there when it is whole. */
  readonly path: string;
  readonly signal?: AbortSignal;
}

/**
 * Writes what an auditor needs to check everything offline: all entries, the blobs that they name, the checkpoint.
 *
 * @returns number of entries
 * @throws CoordinatorError FILE_UNREADABLE, STORE_UNREADABLE, LEDGER_CORRUPT
 */
export async function exportBundle({ database, verifierKey, witnesses, path, signal }: BundleExport): Promise<number> {
  await using store = await openStoreReader(database);
  const newest = await store.db.selectFrom("checkpoint").select(["size", "text"]).executeTakeFirst();
  // Where there are witnesses, auditors get what these have cosigned.
  const published = await store.db.selectFrom("published").select(["size", "text"]).executeTakeFirst();
  const checkpoint = published ?? newest;
  if (checkpoint === undefined)
    throw new CoordinatorError("LEDGER_CORRUPT", "expected a signed checkpoint, there is none");
  const { size, text } = checkpoint;
  const contents = {
    vkey: verifierKey,
    ...(witnesses === undefined || published === undefined ? {} : { witnesses }),
    checkpoint: text,
    entries: entryBytes(store, size),
    blobs: await namedBlobs(store, size),
    blob: (sha256: string) => blobBytes(store, sha256),
    ...(signal === undefined ? {} : { signal }),
  };
  const partial = `${path}.partial`;
  try {
    await pipeline(writeBundle(contents), createWriteStream(partial, { mode: 0o600 }));
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  return size;
}

async function* entryBytes(store: StoreReader, size: number): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of readEntries(store.db, 0, size)) yield bytes;
}

/** Hashes in the order in which the log first names them. */
async function namedBlobs(store: StoreReader, size: number): Promise<string[]> {
  const closes = await store.db
    .selectFrom("entries")
    .select("bytes")
    .where("type", "=", "round.close")
    .where("index", "<", size)
    .orderBy("index")
    .execute();
  return [...new Set(closes.flatMap(({ bytes }) => blobsNamedBy(bytes)))];
}

async function blobBytes(store: StoreReader, sha256: string): Promise<Uint8Array> {
  const row = await store.db
    .selectFrom("blobs")
    .select("bytes")
    .where("sha256", "=", Buffer.from(sha256, "base64url"))
    .executeTakeFirst();
  if (row === undefined) {
    throw new CoordinatorError(
      "LEDGER_CORRUPT",
      `expected the blob ${sha256} that an entry names, it is gone; restore a backup`,
    );
  }
  return row.bytes;
}
