// Every call that a commit makes fails once; a disk runs full for real. What was acknowledged stays, nothing else comes.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import t, { type Test } from "tap";
import type { Ledger } from "../../src/ledger/ledger.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { temporaryFolder } from "../temporary-folder.js";
import { hookedStore } from "./faulty-store.js";
import { openLedger, policyBody } from "./fixture.js";

/** An entry with a row that belongs to it. @returns the entry's index */
async function append(ledger: Ledger, filling = ""): Promise<number> {
  const { result } = await ledger.commit(async (tx) => {
    const { index } = await tx.append("heartbeat", {});
    await tx.db
      .insertInto("meta")
      .values({ key: `entry-${index}`, value: `there${filling}` })
      .execute();
    return index;
  });
  return result;
}

/** Opens what is on disk as a restarted coordinator does, and counts entries with their rows. */
async function sizeOnDisk(t: Test, path: string, name: string): Promise<number> {
  await using store = await openSqliteStore(path);
  await using ledger = await openLedger(store);
  const rows = await store.db.selectFrom("meta").selectAll().where("key", "like", "entry-%").execute();
  t.equal(rows.length, ledger.size - 1, `${name}: each entry has the state that was written with it`);
  return ledger.size;
}

t.test("whichever call of a commit fails, and however, exactly the acknowledged entries are there", async (t) => {
  let calls = 0;
  for (const code of ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_BUSY"]) {
    for (let failing = 0; ; failing++) {
      const path = join(temporaryFolder(t), "fedloop.db");
      let left = Number.POSITIVE_INFINITY;
      let failed = "";
      const store = await hookedStore(path, (when, sql) => {
        if (when === "after" || failed !== "" || left-- > 0) return;
        failed = sql;
        throw new Sqlite.SqliteError("injected", code);
      });
      const ledger = await openLedger(store);
      await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
      let acknowledged = await append(ledger);
      left = failing;
      const outcome = await append(ledger).then(
        (index) => {
          acknowledged = index;
          return "acknowledged";
        },
        (cause: unknown) => cause,
      );
      left = Number.POSITIVE_INFINITY;
      if (failed !== "") t.not(outcome, "acknowledged", `${code} at "${failed.slice(0, 40)}"`);
      // A log that goes on after a fault goes on rightly.
      await append(ledger).then(
        (index) => {
          acknowledged = index;
        },
        (cause: unknown) => t.match(cause, { code: "LEDGER_STOPPED" }),
      );
      await ledger.close();
      await store.close();
      t.equal(await sizeOnDisk(t, path, code), acknowledged + 1, `${code} at "${failed.slice(0, 40)}"`);
      if (failed === "") break;
      calls++;
    }
  }
  t.ok(calls >= 4 * 7, `${calls} calls were made to fail`);
});

t.test(
  "on a file system that runs full the log refuses, keeps what it has, and goes on when there is room",
  async (t) => {
    const folder = join(temporaryFolder(t), "small");
    mkdirSync(folder);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=700k", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      t.comment("a small file system cannot be mounted here; the injected faults above stand for it");
      return;
    }
    t.teardown(() => execFileSync("umount", ["-l", folder]));
    const path = join(folder, "fedloop.db");
    const store = await openSqliteStore(path);
    const ledger = await openLedger(store);
    await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
    let acknowledged = 0;
    let refused: unknown;
    while (refused === undefined) {
      refused = await append(ledger, "x".repeat(20_000)).then(
        (index) => {
          acknowledged = index;
        },
        (cause: unknown) => cause,
      );
    }
    t.match(refused, { code: "STORE_FAILED", message: /free disk space/ });
    t.ok(acknowledged > 3, `${acknowledged} entries fitted`);
    t.equal(ledger.size, acknowledged + 1);
    execFileSync("mount", ["-o", "remount,size=8m", folder], { stdio: "ignore" });
    const later = await append(ledger).catch((cause: unknown) => cause);
    if (typeof later === "number") acknowledged = later;
    else t.match(later, { code: "LEDGER_STOPPED" });
    await ledger.close();
    await store.close();
    t.equal(await sizeOnDisk(t, path, "after the disk was full"), acknowledged + 1);
  },
);
