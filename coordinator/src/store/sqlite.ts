import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite from "better-sqlite3";
import { Kysely, sql } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database, Store } from "./database.js";
import { migrate } from "./migrate.js";
import { FedloopSqliteDialect } from "./sqlite-connection.js";
import { lockStore, type StoreLock } from "./sqlite-lock.js";

/** A reader from outside (a backup, `sqlite3`) may hold the database this long before a write gives up. */
const BUSY_TIMEOUT_MS = 5_000;

const IN_MEMORY = ":memory:";

function openDatabase(path: string): Sqlite.Database {
  const database = new Sqlite(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.pragma("journal_mode = WAL");
    // An acknowledged commit survives the loss of power, not only of the process.
    database.pragma("synchronous = FULL");
    database.pragma("foreign_keys = ON");
    // Pages read or written lately stay in memory, 16 MiB of them: a larger cache fills for hours, and what it fills with is old.
    database.pragma("cache_size = -16384");
    // What is deleted (a subject's key) is overwritten in the file.
    database.pragma("secure_delete = ON");
    database.pragma("trusted_schema = OFF");
    return database;
  } catch (cause) {
    database.close();
    throw cause;
  }
}

/** SQLite's own errors, with what to do about them. */
function unreadable(path: string, cause: unknown): CoordinatorError {
  if (cause instanceof CoordinatorError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CoordinatorError(
    "STORE_UNREADABLE",
    `expected a fedloop database that can be read and written at ${path}, came "${reason}"; check the path and its permissions, or restore a backup`,
    { cause },
  );
}

/**
 * Opens (and, where there is none, makes) the embedded database and brings its schema up to date. The file is for its
 * owner's eyes only: it holds the subject vault.
 *
 * @param path of the file, or `:memory:` for one that ends with the process
 * @throws CoordinatorError STORE_LOCKED, STORE_TOO_NEW, STORE_UNREADABLE
 */
export async function openSqliteStore(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<Store> {
  options.signal?.throwIfAborted();
  let lock: StoreLock | undefined;
  let db: Kysely<Database> | undefined;
  try {
    if (path !== IN_MEMORY) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // SQLite gives the files beside the database (-wal, -shm) the permissions of the database.
      closeSync(openSync(path, "a", 0o600));
      lock = lockStore(path);
    }
    db = new Kysely<Database>({ dialect: new FedloopSqliteDialect(openDatabase(path)) });
    await migrate(db, "sqlite", path);
  } catch (cause) {
    await db?.destroy();
    lock?.release();
    throw unreadable(path, cause);
  }
  const opened = db;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= opened.destroy().finally(() => lock?.release());
    return closing;
  };
  const scrub = async (): Promise<boolean> => {
    const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(opened);
    return rows[0]?.busy === 0;
  };
  return { db: opened, location: path, isShared: false, scrub, close, [Symbol.asyncDispose]: close };
}
