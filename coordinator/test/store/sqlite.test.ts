import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Sqlite from "better-sqlite3";
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

async function addPopulation(store: Store, name = "lecturers"): Promise<void> {
  await store.db.insertInto("populations").values({ name, plan: "{}", state: "running", created_ms: 1 }).execute();
}

t.test("what was written is there after closing and opening again", async (t) => {
  const path = join(temporaryFolder(t), "data", "fedloop.db");
  const first = await openSqliteStore(path);
  await first.db.insertInto("meta").values({ key: "origin", value: "example.org/log" }).execute();
  await first.close();
  await using second = await openSqliteStore(path);
  t.same(await second.db.selectFrom("meta").selectAll().execute(), [{ key: "origin", value: "example.org/log" }]);
});

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

t.test("bytes come back as the same bytes, and integers up to 2^53-1 as the same integers", async (t) => {
  const store = await opened(t);
  await addPopulation(store);
  const deviceId = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
  const device = {
    device_id: deviceId,
    population: "lecturers",
    public_key: new Uint8Array(32),
    subject: "s",
    session: null,
    session_expires_ms: Number.MAX_SAFE_INTEGER,
    enrolled_ms: 2 ** 40 + 1,
    left_ms: null,
  };
  await store.db.insertInto("devices").values(device).execute();
  const row = await store.db.selectFrom("devices").selectAll().executeTakeFirstOrThrow();
  t.ok(row.device_id instanceof Uint8Array);
  t.same(Uint8Array.from(row.device_id), deviceId);
  t.equal(row.session_expires_ms, Number.MAX_SAFE_INTEGER);
  t.equal(row.enrolled_ms, 2 ** 40 + 1);
  t.equal(row.left_ms, null);
});

t.test("numbers that are no safe integers are refused before they reach a column", async (t) => {
  const store = await opened(t);
  for (const created_ms of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    await t.rejects(
      store.db.insertInto("populations").values({ name: "p", plan: "{}", state: "running", created_ms }).execute(),
      { code: "INTERNAL" },
      String(created_ms),
    );
  }
});

t.test("the schema refuses a state that is none, and rows without their parents", async (t) => {
  const store = await opened(t);
  await t.rejects(sql`insert into populations values ('p', '{}', 'dancing', 1)`.execute(store.db), {
    code: "SQLITE_CONSTRAINT_CHECK",
  });
  await t.rejects(sql`insert into populations values ('p', '{}', 'running', 'soon')`.execute(store.db), {
    code: "SQLITE_CONSTRAINT_DATATYPE",
  });
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

t.test("a database of a newer version is refused", async (t) => {
  const path = join(temporaryFolder(t), "fedloop.db");
  const store = await openSqliteStore(path);
  await store.close();
  const raw = new Sqlite(path);
  raw.exec("insert into kysely_migration values ('9999-later', '2099-01-01T00:00:00Z')");
  raw.close();
  await t.rejects(openSqliteStore(path), { code: "STORE_TOO_NEW" });
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
