import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import t from "tap";
import type { Store } from "../../src/store/database.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { temporaryFolder } from "../temporary-folder.js";

async function opened(test: { teardown(handler: () => Promise<void>): void }): Promise<Store> {
  const store = await openSqliteStore(":memory:");
  test.teardown(() => store.close());
  return store;
}

t.test("the database is in write-ahead mode, synchronous and checks foreign keys", async (t) => {
  const path = join(temporaryFolder(t), "fedloop.db");
  await using store = await openSqliteStore(path);
  const read = async (pragma: string) =>
    (await sql.raw<Record<string, unknown>>(`pragma ${pragma}`).execute(store.db)).rows;
  t.same(await read("journal_mode"), [{ journal_mode: "wal" }]);
  t.same(await read("synchronous"), [{ synchronous: 2 }]);
  t.same(await read("foreign_keys"), [{ foreign_keys: 1 }]);
  t.equal(statSync(path).mode & 0o077, 0, "only the owner can read it");
  t.equal(statSync(`${path}-wal`).mode & 0o077, 0);
});

t.test("the schema refuses a state that is none, and rows without their parents", async (t) => {
  const store = await opened(t);
  await t.rejects(
    sql`insert into populations (name, plan, state, created_ms) values ('p', '{}', 'dancing', 1)`.execute(store.db),
    {
      code: "SQLITE_CONSTRAINT_CHECK",
    },
  );
  await t.rejects(
    sql`insert into populations (name, plan, state, created_ms) values ('p', '{}', 'running', 'soon')`.execute(
      store.db,
    ),
    {
      code: "SQLITE_CONSTRAINT_DATATYPE",
    },
  );
  await t.rejects(
    store.db
      .insertInto("models")
      .values({ sha256: new Uint8Array(32), population: "nobody", round: 0, created_ms: 1 })
      .execute(),
    { code: "SQLITE_CONSTRAINT_FOREIGNKEY" },
  );
});

t.test("a second store on the same file is refused in this process, until the first is closed", async (t) => {
  const path = join(temporaryFolder(t), "fedloop.db");
  const first = await openSqliteStore(path);
  await t.rejects(openSqliteStore(path), { name: "CoordinatorError", code: "STORE_LOCKED" });
  await first.close();
  await first.close();
  await using second = await openSqliteStore(path);
  t.equal(second.location, path);
});

t.test("a second process is refused; after kill -9 of the first the store opens", async (t) => {
  const path = join(temporaryFolder(t), "fedloop.db");
  const holder = spawn(process.execPath, [fileURLToPath(new URL("./hold-store.js", import.meta.url)), path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  await t.rejects(openSqliteStore(path), { code: "STORE_LOCKED" });
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await using store = await openSqliteStore(path);
  t.same(await store.db.selectFrom("meta").selectAll().execute(), []);
});

t.test("files that are no database are refused with the path", async (t) => {
  const folder = temporaryFolder(t);
  const text = join(folder, "notes.db");
  writeFileSync(
    text,
    "these are my notes, and they are much longer than the header of a database file would be".repeat(20),
  );
  await t.rejects(openSqliteStore(text), { code: "STORE_UNREADABLE", message: /notes\.db.*not a database/ });
  mkdirSync(join(folder, "folder.db"));
  await t.rejects(openSqliteStore(join(folder, "folder.db")), { code: "STORE_UNREADABLE" });
  await t.rejects(openSqliteStore(join(text, "below", "fedloop.db")), { code: "STORE_UNREADABLE" });
});

t.test("after a transaction that SQLite ended by itself, nothing runs outside of it", async (t) => {
  const store = await opened(t);
  await sql`create table tight (a integer unique on conflict rollback)`.execute(store.db);
  await t.rejects(
    store.db.transaction().execute(async (transaction) => {
      await sql`insert into tight values (1)`.execute(transaction);
      await t.rejects(sql`insert into tight values (1)`.execute(transaction), { code: "SQLITE_CONSTRAINT_UNIQUE" });
      await sql`insert into tight values (2)`.execute(transaction);
    }),
    { code: "STORE_FAILED" },
  );
  t.same((await sql`select * from tight`.execute(store.db)).rows, []);
  await sql`insert into tight values (3)`.execute(store.db);
  t.same((await sql`select * from tight`.execute(store.db)).rows, [{ a: 3 }]);
});

t.test("an aborted signal stops the opening", async (t) => {
  await t.rejects(openSqliteStore(":memory:", { signal: AbortSignal.abort(new Error("stop")) }), { message: "stop" });
});
