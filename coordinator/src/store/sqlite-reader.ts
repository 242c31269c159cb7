import { existsSync } from "node:fs";
import Sqlite from "better-sqlite3";
import { Kysely } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database } from "./database.js";
import { FedloopSqliteDialect } from "./sqlite-connection.js";

/** A view of the database that cannot change it. */
export interface StoreReader {
  readonly db: Kysely<Database>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens the embedded database for reading only, also while a coordinator has it open for writing: what a reader sees is
 * the state after some commit.
 *
 * @throws CoordinatorError FILE_UNREADABLE when there is none, STORE_UNREADABLE
 */
export function openSqliteReader(path: string): StoreReader {
  if (!existsSync(path)) {
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected a coordinator's database at ${path}, there is none; start \`fedloop serve\` once, or check dataDir`,
    );
  }
  try {
    const db = new Kysely<Database>({
      dialect: new FedloopSqliteDialect(new Sqlite(path, { readonly: true, fileMustExist: true })),
    });
    const close = (): Promise<void> => db.destroy();
    return { db, close, [Symbol.asyncDispose]: close };
  } catch (cause) {
    throw new CoordinatorError("STORE_UNREADABLE", `expected a readable database at ${path}`, { cause });
  }
}
