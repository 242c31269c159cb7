import Sqlite from "better-sqlite3";
import { Kysely, Migrator } from "kysely";
import type { Database, Store } from "../../src/store/database.js";
import { migrationsFor } from "../../src/store/migrations.js";
import { FedloopSqliteDialect } from "../../src/store/sqlite-connection.js";

/** Told of every statement that is about to run, and of every one that has run. It may throw, or end the process. */
export type StatementHook = (when: "before" | "after", sql: string) => void;

/** A store like the coordinator's over a file, whose statements a test can follow, let fail, or end the process at. */
export async function hookedStore(path: string, hook: StatementHook): Promise<Store> {
  const sqlite = new Sqlite(path);
  sqlite.pragma("journal_mode = WAL");
  sqlite.pragma("synchronous = FULL");
  const database = new Proxy(sqlite, {
    get(target, property) {
      if (property !== "prepare") {
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return (sql: string) => {
        const statement = target.prepare(sql);
        const around = (call: (parameters: unknown[]) => unknown) => (parameters: unknown[]) => {
          hook("before", sql);
          const result = call(parameters);
          hook("after", sql);
          return result;
        };
        return {
          reader: statement.reader,
          all: around((parameters) => statement.all(...parameters)),
          run: around((parameters) => statement.run(...parameters)),
          iterate: (parameters: unknown[]) => statement.iterate(...parameters),
        };
      };
    },
  });
  const db = new Kysely<Database>({ dialect: new FedloopSqliteDialect(database as unknown as Sqlite.Database) });
  await new Migrator({ db, provider: migrationsFor("sqlite") }).migrateToLatest();
  const close = (): Promise<void> => db.destroy();
  return { db, location: path, isShared: false, scrub: async () => true, close, [Symbol.asyncDispose]: close };
}
