/** Where a coordinator's state is: in a file of its own, or in a database that several coordinators share. */

import type { Store } from "./database.js";
import { openSqliteStore } from "./sqlite.js";
import { openSqliteReader, type StoreReader } from "./sqlite-reader.js";

export type StoreLocation =
  | { readonly type: "sqlite"; readonly path: string }
  /** The URL holds a password: it is never printed. */
  | { readonly type: "postgres"; readonly url: string };

/**
 * Opens it; the client of PostgreSQL is loaded only for a shared one.
 *
 * @throws CoordinatorError STORE_LOCKED, STORE_TOO_NEW, STORE_UNREADABLE
 */
export async function openStore(location: StoreLocation): Promise<Store> {
  if (location.type === "sqlite") return openSqliteStore(location.path);
  const { openPostgresStore } = await import("./postgres.js");
  return openPostgresStore(location.url);
}

/**
 * Opens it for reading only, also while coordinators have it open.
 *
 * @param location a path is that of an SQLite file
 * @throws CoordinatorError FILE_UNREADABLE when there is none, STORE_UNREADABLE
 */
export async function openStoreReader(location: StoreLocation | string): Promise<StoreReader> {
  if (typeof location === "string") return openSqliteReader(location);
  if (location.type === "sqlite") return openSqliteReader(location.path);
  const { openPostgresReader } = await import("./postgres.js");
  return openPostgresReader(location.url);
}
