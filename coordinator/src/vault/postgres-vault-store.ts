import type { WrappedKey } from "@fedloop/consent";
import { type Kysely, sql } from "kysely";
import type { Database } from "../store/database.js";
import { makeVaultTables } from "../store/migrations.js";
import type { WrapStore } from "./vault.js";

type VaultTables = {
  wraps: { subject_id: string; kek: string; wrapped: string };
  current_kek: { id: number; name: string };
};

const PAGE = 500;
/** An advisory lock of PostgreSQL, by a number of our own. */
const MAKING = 7_046_029_254;

/**
 * Subject keys in a schema of their own, `fedloop_vault`, which a backup of the log leaves out. Deleted wraps may outlive
 * their deletion in the server's write-ahead log and its archives: they are wrapped, and end with the key-encryption key.
 */
export class PostgresVaultStore implements WrapStore {
  readonly #db: Kysely<Database & VaultTables>;

  /** @param db of the shared store, whose migrations have made the tables; closed by its owner */
  constructor(db: Kysely<Database>) {
    this.#db = db.withTables<VaultTables>().withSchema("fedloop_vault");
  }

  /** Runs a work that no other process does at the same time, on tables that are there. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${sql.lit(MAKING)})`.execute(transaction);
      await this.#prepare();
      return work();
    });
  }

  /** Makes the tables where there are none: the database may come from a dump that leaves the vault out. */
  async #prepare(): Promise<void> {
    const { rows } = await sql<{ made: boolean }>`
      select to_regclass('fedloop_vault.current_kek') is not null as made
    `.execute(this.#db);
    if (rows[0]?.made !== true) await makeVaultTables(this.#db);
  }

  get(subjectId: string): Promise<WrappedKey | undefined> {
    return this.#db
      .selectFrom("wraps")
      .select(["kek", "wrapped"])
      .where("subject_id", "=", subjectId)
      .executeTakeFirst();
  }

  put(subjectId: string, { kek, wrapped }: WrappedKey, before: WrappedKey | undefined): Promise<boolean> {
    return this.#db.transaction().execute(async (transaction) => {
      // Held until the end: the key turns over before this wrap or after it, and a rotation then finds it.
      const current = await transaction.selectFrom("current_kek").select("name").forShare().executeTakeFirst();
      if (current?.name !== kek) return false;
      if (before === undefined) {
        const { numInsertedOrUpdatedRows } = await transaction
          .insertInto("wraps")
          .values({ subject_id: subjectId, kek, wrapped })
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst();
        return numInsertedOrUpdatedRows === 1n;
      }
      const { numUpdatedRows } = await transaction
        .updateTable("wraps")
        .set({ kek, wrapped })
        .where("subject_id", "=", subjectId)
        .where("wrapped", "=", before.wrapped)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    });
  }

  async delete(subjectId: string): Promise<void> {
    await this.#db.deleteFrom("wraps").where("subject_id", "=", subjectId).execute();
    await this.scrub();
  }

  async *list(): AsyncIterable<string> {
    for (let last = ""; ; ) {
      const rows = await this.#db
        .selectFrom("wraps")
        .select("subject_id")
        .where("subject_id", ">", last)
        .orderBy("subject_id")
        .limit(PAGE)
        .execute();
      for (const { subject_id } of rows) {
        last = subject_id;
        yield subject_id;
      }
      if (rows.length < PAGE) return;
    }
  }

  async counts(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#db
      .selectFrom("wraps")
      .select(["kek", ({ fn }) => fn.countAll<number>().as("count")])
      .groupBy("kek")
      .orderBy("kek")
      .execute();
    return new Map(rows.map(({ kek, count }) => [kek, count]));
  }

  async currentKek(): Promise<string | undefined> {
    return (await this.#db.selectFrom("current_kek").select("name").executeTakeFirst())?.name;
  }

  async turnTo(kek: string): Promise<void> {
    await this.#db
      .insertInto("current_kek")
      .values({ id: 1, name: kek })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ name: kek }))
      .execute();
  }

  async scrub(): Promise<boolean> {
    try {
      await sql`vacuum fedloop_vault.wraps`.execute(this.#db);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    // The store's owner closes the connections.
  }
}
