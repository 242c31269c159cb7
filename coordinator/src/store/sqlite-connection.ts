/**
 * better-sqlite3 as Kysely wants it, with three habits added: prepared statements are kept, numbers that are no safe
 * integers are refused before they reach a column, and a transaction that SQLite ended by itself (disk full, I/O
 * error) is noticed before the next statement runs outside of it.
 */
import type Sqlite from "better-sqlite3";
import { type DialectAdapter, SqliteAdapter, type SqliteDatabase, SqliteDialect, type SqliteStatement } from "kysely";
import { CoordinatorError } from "../errors.js";
import { checkParameters } from "./parameters.js";

/** A coordinator has some hundred different statements; beyond this, the oldest are prepared anew. */
const KEPT_STATEMENTS = 400;

class Connection implements SqliteDatabase {
  readonly #database: Sqlite.Database;
  readonly #statements = new Map<string, SqliteStatement>();
  #open = false;

  constructor(database: Sqlite.Database) {
    this.#database = database;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  prepare(sql: string): SqliteStatement {
    const kept = this.#statements.get(sql);
    if (kept !== undefined) return kept;
    const prepared = this.#database.prepare<readonly unknown[], unknown>(sql);
    const command = sql.toLowerCase();
    const begins = command === "begin";
    const ends = command === "commit" || command === "rollback";
    const run = <T>(parameters: readonly unknown[], action: (parameters: readonly unknown[]) => T): T => {
      if (this.#open && !this.#database.inTransaction && !ends) {
        throw new CoordinatorError(
          "STORE_FAILED",
          "expected the transaction to be open, it was rolled back after an earlier error; free disk space or look at the disk, then try again",
        );
      }
      checkParameters(parameters);
      if (ends) this.#open = false;
      const result = action(parameters);
      if (begins) this.#open = true;
      return result;
    };
    const statement: SqliteStatement = {
      reader: prepared.reader,
      all: (parameters) => run(parameters, (values) => prepared.all(values)),
      run: (parameters) => {
        // Nothing is left to roll back, and an error about that would hide the one that ended the transaction.
        if (command === "rollback" && !this.#database.inTransaction) {
          this.#open = false;
          return { changes: 0, lastInsertRowid: 0 };
        }
        return run(parameters, (values) => prepared.run(values));
      },
      // A statement of its own: two readers may be under way in the same rows at once.
      iterate: (parameters) =>
        run(parameters, (values) => this.#database.prepare<readonly unknown[], unknown>(sql).iterate(values)),
    };
    if (this.#statements.size >= KEPT_STATEMENTS) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** SQLite can roll schema changes back, so a migration that is killed half way leaves the old schema. */
class TransactionalSchemaAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** Kysely's SQLite dialect over the connection above. */
export class FedloopSqliteDialect extends SqliteDialect {
  constructor(database: Sqlite.Database) {
    super({ database: new Connection(database) });
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalSchemaAdapter();
  }
}
