import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import Sqlite from "better-sqlite3";
import { Kysely, Migrator, sql } from "kysely";
import t from "tap";
import type { Database, Store } from "../../src/store/database.js";
import { migrationsFor } from "../../src/store/migrations.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { FedloopSqliteDialect } from "../../src/store/sqlite-connection.js";
import { temporaryFolder } from "../temporary-folder.js";
import { openLedger, PURPOSE, policyBody, TestDevice } from "./fixture.js";

/** A store with a short log in it, closed again. */
async function shortLog(path: string): Promise<void> {
  await using store = await openSqliteStore(path);
  await using ledger = await openLedger(store);
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  for (let i = 0; i < 9; i++) await ledger.commit((tx) => tx.append("heartbeat", {}));
}

/** What may have happened to the file since, and what the message must say. */
const TAMPERED: readonly (readonly [string, string, RegExp])[] = [
  [
    "an entry changed",
    'update entries set bytes = cast(replace(bytes, \'"aseq":3\', \'"aseq":4\') as blob) where "index" = 3',
    /entry 3/,
  ],
  [
    "an entry and its hash changed",
    'update entries set bytes = (select bytes from entries where "index" = 4), leaf_hash = (select leaf_hash from entries where "index" = 4) where "index" = 5',
    /root/,
  ],
  ["an entry cut off", 'update entries set bytes = cast(substr(bytes, 1, 40) as blob) where "index" = 2', /entry 2/],
  ["an entry removed from the middle", 'delete from entries where "index" = 4', /entry 4/],
  ["the last entries removed", 'delete from entries where "index" > 7', /at least the 10 entries/],
  ["all entries removed", "delete from entries", /at least the 10 entries/],
  ["the checkpoint removed", "delete from checkpoint", /signed checkpoint beside 10 entries/],
  ["the checkpoint's size changed", "update checkpoint set size = 9", /say what is stored/],
  ["the checkpoint's root changed", "update checkpoint set root = zeroblob(32)", /say what is stored/],
  [
    "the checkpoint's text changed",
    "update checkpoint set text = replace(text, char(10) || '10' || char(10), char(10) || '11' || char(10))",
    /signed by this log/,
  ],
  ["an older checkpoint put back", "", /no more, came 11/],
];

t.test("a log that was changed on disk is not opened", async (t) => {
  for (const [name, statement, message] of TAMPERED) {
    const path = join(temporaryFolder(t), "fedloop.db");
    await shortLog(path);
    const raw = new Sqlite(path);
    if (statement === "") {
      const older = raw.prepare("select * from checkpoint").get();
      raw.close();
      await using store = await openSqliteStore(path);
      await using ledger = await openLedger(store);
      await ledger.commit((tx) => tx.append("heartbeat", {}));
      await ledger.close();
      await store.close();
      const again = new Sqlite(path);
      again.prepare("update checkpoint set size = @size, root = @root, text = @text").run(older);
      again.close();
    } else {
      raw.exec(statement);
      raw.close();
    }
    await using store = await openSqliteStore(path);
    await t.rejects(openLedger(store), { name: "CoordinatorError", code: "LEDGER_CORRUPT", message }, name);
  }
});

t.test("a disk that is full fails the work with nothing changed, and the log goes on when there is room", async (t) => {
  await using store = await openSqliteStore(join(temporaryFolder(t), "fedloop.db"));
  await using ledger = await openLedger(store);
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  const before = ledger.checkpoint();
  const pages = await sql<{ page_count: number }>`pragma page_count`.execute(store.db);
  await sql.raw(`pragma max_page_count = ${pages.rows[0]?.page_count ?? 0}`).execute(store.db);
  const big = { key: "big", value: "x".repeat(1 << 20) };
  const device = new TestDevice(1);
  const consent = await device.consent("given");
  const [first, second] = await Promise.allSettled([
    ledger.commit((tx) => tx.appendSigned(consent)),
    ledger.commit((tx) => tx.db.insertInto("meta").values(big).execute()),
  ]);
  t.match(second, { status: "rejected" });
  t.match(first, { status: "rejected", reason: { code: "STORE_FAILED" } }, "it shared the transaction");
  t.equal(ledger.checkpoint(), before);
  t.equal(ledger.view.permits(device.subject, PURPOSE), false);
  await sql.raw("pragma max_page_count = 100000").execute(store.db);
  await ledger.commit((tx) => tx.appendSigned(consent));
  await ledger.commit((tx) => tx.db.insertInto("meta").values(big).execute());
  t.equal(ledger.size, 2);
  t.equal(ledger.view.permits(device.subject, PURPOSE), true);
});

/** A store whose commits fail, once told to, as SQLite reports a failed fsync. */
async function failingStore(): Promise<{ store: Store; fail: () => void }> {
  let failing = false;
  const database = new Proxy(new Sqlite(":memory:"), {
    get(target, property) {
      if (property === "prepare") {
        return (text: string) => {
          const statement = target.prepare(text);
          if (text !== "commit") return statement;
          const run = (): unknown => {
            if (failing) throw new Sqlite.SqliteError("disk I/O error", "SQLITE_IOERR_FSYNC");
            return statement.run();
          };
          return { reader: false, run };
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const db = new Kysely<Database>({ dialect: new FedloopSqliteDialect(database) });
  await new Migrator({ db, provider: migrationsFor("sqlite") }).migrateToLatest();
  const close = () => db.destroy();
  const store: Store = {
    db,
    location: "a test",
    isShared: false,
    scrub: async () => true,
    close,
    [Symbol.asyncDispose]: close,
  };
  return { store, fail: () => (failing = true) };
}

t.test("a disk that fails to keep what it was given stops the log", async (t) => {
  const { store, fail } = await failingStore();
  const ledger = await openLedger(store);
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  const before = ledger.checkpoint();
  fail();
  await t.rejects(
    ledger.commit((tx) => tx.append("heartbeat", {})),
    { code: "STORE_FAILED", message: /SQLITE_IOERR_FSYNC/ },
  );
  await t.rejects(
    ledger.commit((tx) => tx.append("heartbeat", {})),
    { code: "LEDGER_STOPPED" },
  );
  t.equal(ledger.checkpoint(), before);
  t.equal((await ledger.receipt(0)).size, 1, "what was there can still be read");
  await ledger.close();
  await store.close();
});

t.test("a second writer on the same rows is noticed, and the log stops", async (t) => {
  await using store = await openSqliteStore(":memory:");
  const first = await openLedger(store);
  await first.commit((tx) => tx.append("policy.publish", policyBody()));
  await store.db.updateTable("checkpoint").set({ size: 5 }).execute();
  await t.rejects(
    first.commit((tx) => tx.append("heartbeat", {})),
    { code: "LEDGER_CORRUPT", message: /another writer/ },
  );
  await t.rejects(
    first.commit((tx) => tx.append("heartbeat", {})),
    { code: "LEDGER_STOPPED" },
  );
});

t.test("a work that asks the store instead of its transaction fails, and others go on", async (t) => {
  await using store = await openSqliteStore(":memory:");
  await using ledger = await openLedger(store, { workTimeoutMs: 50 });
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  const waiting = ledger.commit(async (tx) => {
    await tx.append("heartbeat", {});
    return store.db.selectFrom("meta").selectAll().execute();
  });
  await t.rejects(waiting, { code: "STORE_FAILED", message: /never store\.db/ });
  await ledger.commit((tx) => tx.append("heartbeat", {}));
  t.equal(ledger.size, 2);
});

t.test("after kill -9 the log holds all that was acknowledged, and opens", async (t) => {
  const path = join(temporaryFolder(t), "fedloop.db");
  const program = fileURLToPath(new URL("./append-until-killed.js", import.meta.url));
  let acknowledged = 0;
  for (const lines of [1, 57, 200]) {
    const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Math.max(acknowledged, Number(line));
      if (++seen === lines) child.kill("SIGKILL");
    }
    await exited;
    await using store = await openSqliteStore(path);
    await using ledger = await openLedger(store);
    t.ok(ledger.size > acknowledged, `${ledger.size} entries, ${acknowledged} the last acknowledged`);
    const meta = await store.db.selectFrom("meta").selectAll().execute();
    t.equal(meta.length, ledger.size - 1, "each entry has the state that was written with it");
  }
});
