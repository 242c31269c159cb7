import { type Kysely, Migrator } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database } from "./database.js";
import { migrationsFor, type SchemaDialect } from "./migrations.js";

/**
 * Brings the schema up to date. Of several processes that try at once, one does it and the others wait.
 *
 * @param location for messages
 * @throws CoordinatorError STORE_TOO_NEW
 */
export async function migrate(db: Kysely<Database>, dialect: SchemaDialect, location: string): Promise<void> {
  const migrator = new Migrator({ db, provider: migrationsFor(dialect) });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.startsWith("corrupted migrations")) {
    throw new CoordinatorError(
      "STORE_TOO_NEW",
      `expected a database of this version of fedloop or an older one, ${location} was written by a newer one; start that version`,
      { cause: error },
    );
  }
  throw error;
}
