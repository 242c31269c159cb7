import Database from "better-sqlite3";
import { CoordinatorError } from "../errors.js";

/** Held while a store is open. */
export interface StoreLock {
  release(): void;
}

/**
 * Takes the one writer's place of a database file: an exclusive transaction, held open, on a database of its own
 * beside it. The operating system drops its locks with the process, so a killed coordinator leaves nothing behind
 * that would have to be cleared away.
 *
 * @throws CoordinatorError STORE_LOCKED when another process (or another store of this one) holds it
 */
export function lockStore(path: string): StoreLock {
  const lockPath = `${path}.lock`;
  const database = new Database(lockPath, { timeout: 0 });
  try {
    // In rollback-journal mode a transaction that writes nothing leaves no journal, so there is nothing to recover.
    database.pragma("journal_mode = DELETE");
    database.exec("begin exclusive");
  } catch (cause) {
    database.close();
    if (cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_BUSY")) {
      throw new CoordinatorError(
        "STORE_LOCKED",
        `expected to be the only coordinator on ${path}, came a lock on ${lockPath} that another process holds; stop that process, or give this one a dataDir of its own`,
        { cause },
      );
    }
    throw cause;
  }
  return { release: () => database.close() };
}
