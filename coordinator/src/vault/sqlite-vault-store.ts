import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { WrappedKey } from "@fedloop/consent";
import Sqlite from "better-sqlite3";
import { CoordinatorError } from "../errors.js";
import type { WrapStore } from "./vault.js";

/** A coordinator and a `fedloop vault` command may have the vault open at once; each waits this long for the other. */
const BUSY_TIMEOUT_MS = 10_000;
const PAGE = 500;

const SCHEMA = `
create table if not exists wraps (subject_id text primary key, kek text not null, wrapped text not null) strict, without rowid;
create table if not exists current_kek (id integer primary key check (id = 1), name text not null) strict;
`;

interface Put {
  readonly subjectId: string;
  readonly wrap: WrappedKey;
  readonly before: WrappedKey | undefined;
  readonly resolve: (isTaken: boolean) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Subject keys in an SQLite file of their own, apart from the database that is backed up with the log. Which
 * key-encryption key is current stands in the same file, so that taking a wrap and turning the key over exclude each
 * other, between processes too.
 */
export class SqliteVaultStore implements WrapStore {
  readonly #database: Sqlite.Database;
  readonly #puts: Put[] = [];

  private constructor(database: Sqlite.Database) {
    this.#database = database;
  }

  /**
   * @param path of the file, which is made where there is none; `:memory:` for one that ends with the process
   * @throws CoordinatorError STORE_UNREADABLE
   */
  static open(path: string): SqliteVaultStore {
    try {
      if (path !== ":memory:") {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        closeSync(openSync(path, "a", 0o600));
        chmodSync(path, 0o600);
      }
      const database = new Sqlite(path, { timeout: BUSY_TIMEOUT_MS });
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      database.pragma("secure_delete = ON");
      database.pragma("trusted_schema = OFF");
      database.exec(SCHEMA);
      return new SqliteVaultStore(database);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CoordinatorError(
        "STORE_UNREADABLE",
        `expected a vault that can be read and written at ${path}, came "${reason}"; check the path and its permissions, or restore a backup of the vault`,
        { cause },
      );
    }
  }

  async get(subjectId: string): Promise<WrappedKey | undefined> {
    return this.#get(subjectId);
  }

  /** What comes in one turn of the event loop is one transaction: a crowd that enrols waits for the disk once, not each. */
  put(subjectId: string, wrap: WrappedKey, before: WrappedKey | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#puts.push({ subjectId, wrap, before, resolve, reject });
      if (this.#puts.length === 1) setImmediate(() => this.#putAll());
    });
  }

  async delete(subjectId: string): Promise<void> {
    this.#database.prepare("delete from wraps where subject_id = ?").run(subjectId);
    await this.scrub();
  }

  async *list(): AsyncIterable<string> {
    const page = this.#database.prepare<[string, number], { subject_id: string }>(
      "select subject_id from wraps where subject_id > ? order by subject_id limit ?",
    );
    for (let last = ""; ; ) {
      const rows = page.all(last, PAGE);
      for (const { subject_id } of rows) {
        last = subject_id;
        yield subject_id;
      }
      if (rows.length < PAGE) return;
    }
  }

  /** How many subjects have a key under each key-encryption key. */
  counts(): ReadonlyMap<string, number> {
    const rows = this.#database
      .prepare<[], { kek: string; count: number }>("select kek, count(*) as count from wraps group by kek order by kek")
      .all();
    return new Map(rows.map(({ kek, count }) => [kek, count]));
  }

  /** Name of the key-encryption key that new wraps are made under; undefined in a new vault. */
  currentKek(): string | undefined {
    return this.#database.prepare<[], { name: string }>("select name from current_kek").get()?.name;
  }

  /** Turns to another key-encryption key; a wrap under the one before is not taken any more. */
  turnTo(kek: string): void {
    this.#database.prepare("insert or replace into current_kek (id, name) values (1, ?)").run(kek);
  }

  /**
   * Empties the write-ahead log, which holds what was deleted as it was before.
   *
   * @returns false when a reader was in the way; the next call tries again
   */
  async scrub(): Promise<boolean> {
    const [result] = this.#database.pragma("wal_checkpoint(TRUNCATE)") as readonly { busy: number }[];
    return result?.busy === 0;
  }

  close(): void {
    this.#database.close();
  }

  #putAll(): void {
    const puts = this.#puts.splice(0);
    try {
      const taken = this.#exclusively(() => {
        const current = this.currentKek();
        const write = this.#database.prepare(
          "insert or replace into wraps (subject_id, kek, wrapped) values (?, ?, ?)",
        );
        return puts.map(({ subjectId, wrap: { kek, wrapped }, before }) => {
          if (current !== kek || this.#get(subjectId)?.wrapped !== before?.wrapped) return false;
          write.run(subjectId, kek, wrapped);
          return true;
        });
      });
      for (const [index, { resolve }] of puts.entries()) resolve(taken[index] === true);
    } catch (cause) {
      for (const { reject } of puts) reject(cause);
    }
  }

  #get(subjectId: string): WrappedKey | undefined {
    return this.#database
      .prepare<[string], WrappedKey>("select kek, wrapped from wraps where subject_id = ?")
      .get(subjectId);
  }

  #exclusively<T>(work: () => T): T {
    return this.#database.transaction(work).immediate();
  }
}
