// What every store does, whatever database is behind it.
import { sql } from "kysely";
import type { Test } from "tap";
import { Ledger } from "../../src/ledger/ledger.js";
import { FROM_THE_END, nextOfType, type ReadingOrder } from "../../src/ledger/typed-entries.js";
import { failuresInARow, pausePopulation, readPause, resumePopulation } from "../../src/rounds/pause.js";
import type { AbandonReason } from "../../src/rounds/states.js";
import type { Store } from "../../src/store/database.js";
import { statementRows } from "../../src/store/statement-rows.js";
import { openLedger, policyBody, TestDevice } from "../ledger/fixture.js";

export interface StoreUnderTest {
  /** A place of its own, empty. */
  place(t: Test): Promise<string>;
  open(place: string): Promise<Store>;
  /** How the database would find what a query asks for, in its own words. */
  plan(db: Store["db"], query: string, parameters: readonly unknown[]): Promise<string>;
}

async function addPopulation(store: Store, name = "lecturers"): Promise<void> {
  await store.db.insertInto("populations").values({ name, plan: "{}", state: "running", created_ms: 1 }).execute();
}

async function opened(t: Test, { place, open }: StoreUnderTest): Promise<Store> {
  const store = await open(await place(t));
  t.teardown(() => store.close());
  return store;
}

/** The suite. One behaviour a test; the databases' own limits are tested beside them. */
export function storeCompliance(t: Test, under: StoreUnderTest): void {
  t.test("what was written is there after closing and opening again", async (t) => {
    const place = await under.place(t);
    const first = await under.open(place);
    await first.db.insertInto("meta").values({ key: "origin", value: "example.org/log" }).execute();
    await first.close();
    await first.close();
    await using second = await under.open(place);
    t.same(await second.db.selectFrom("meta").selectAll().execute(), [{ key: "origin", value: "example.org/log" }]);
  });

  t.test("entries of a type are found among many others by the index, in either direction", async (t) => {
    const { db } = await opened(t, under);
    const entry = { actor: "a", leaf_hash: new Uint8Array(32), bytes: new Uint8Array(0) };
    const types = (index: number): string => (index % 400 === 399 ? "round.close" : "consent.given");
    const rows = Array.from({ length: 2_000 }, (_, index) => {
      return { ...entry, index, id: `e${index}`, type: types(index), aseq: index };
    });
    for (const some of statementRows(rows)) await db.insertInto("entries").values(some).execute();
    await sql`analyze`.execute(db);
    const found = async (order: ReadingOrder) => (await nextOfType(db, "round.close", order).executeTakeFirst())?.index;
    t.same([await found({ after: 399 }), await found({ before: 1_999 })], [799, 1_599]);
    t.same([await found({ after: 1_999 }), await found({ before: 399 })], [undefined, undefined]);
    for (const order of [{ after: 399 }, FROM_THE_END]) {
      const { sql: text, parameters } = nextOfType(db, "round.close", order).compile();
      t.match(await under.plan(db, text, parameters), /entries_of_type/);
    }
  });

  t.test(
    "a pause keeps its reason and its time until it is ended, and abandoned rounds count from there",
    async (t) => {
      const store = await opened(t, under);
      const { db } = store;
      await addPopulation(store);
      const ended = async (
        round: number,
        state: "closed" | "abandoned",
        reason: AbandonReason | null,
      ): Promise<void> => {
        const row = { population: "lecturers", round, kind: "train" as const, state, reason, state_since_ms: 1 };
        await db.insertInto("rounds").values(row).execute();
      };
      await ended(1, "abandoned", "COHORT_TOO_SMALL");
      await ended(2, "closed", null);
      await ended(3, "abandoned", "COHORT_TOO_SMALL");
      await ended(4, "abandoned", "OPERATOR_STOPPED");
      await ended(5, "abandoned", "TOO_FEW_UPDATES");
      t.equal(await failuresInARow(db, "lecturers"), 2);
      t.equal(await readPause(db, "lecturers"), null);
      const pause = { reason: "rounds-abandoned", sinceMs: 2 ** 40 + 1 } as const;
      await pausePopulation(db, "lecturers", pause);
      await pausePopulation(db, "lecturers", { reason: "operator", sinceMs: 7 });
      t.same(await readPause(db, "lecturers"), pause);
      await resumePopulation(db, "lecturers");
      t.equal(await readPause(db, "lecturers"), null);
      t.equal(await failuresInARow(db, "lecturers"), 0);
      await ended(6, "abandoned", "TOO_FEW_KEYS");
      t.equal(await failuresInARow(db, "lecturers"), 1);
    },
  );

  t.test("bytes come back as the same bytes, and integers up to 2^53-1 as the same integers", async (t) => {
    const store = await opened(t, under);
    await addPopulation(store);
    const deviceId = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
    // A view into a larger buffer: no byte of its surroundings may come along.
    const key = new Uint8Array(64).fill(7).subarray(16, 48);
    const device = {
      device_id: deviceId,
      population: "lecturers",
      public_key: key,
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
    t.same(Uint8Array.from(row.public_key), Uint8Array.from(key));
    t.equal(row.session_expires_ms, Number.MAX_SAFE_INTEGER);
    t.equal(row.enrolled_ms, 2 ** 40 + 1);
    t.equal(row.left_ms, null);
    const found = await store.db.selectFrom("devices").select("subject").where("device_id", "=", deviceId).execute();
    t.same(found, [{ subject: "s" }]);
  });

  t.test("numbers that are no safe integers are refused before they reach a column", async (t) => {
    const store = await opened(t, under);
    for (const created_ms of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      await t.rejects(
        store.db.insertInto("populations").values({ name: "p", plan: "{}", state: "running", created_ms }).execute(),
        { code: "INTERNAL" },
        String(created_ms),
      );
    }
  });

  t.test(
    "the schema refuses a state that is none, values of another type, and rows without their parents",
    async (t) => {
      const store = await opened(t, under);
      await t.rejects(sql`insert into populations values ('p', '{}', 'dancing', 1)`.execute(store.db));
      await t.rejects(sql`insert into populations values ('p', '{}', 'running', 'soon')`.execute(store.db));
      const orphan = { sha256: new Uint8Array(32), population: "nobody", round: 0, created_ms: 1 };
      await t.rejects(store.db.insertInto("models").values(orphan).execute());
      t.same(await store.db.selectFrom("populations").selectAll().execute(), []);
    },
  );

  t.test("a transaction that fails leaves nothing, one with a savepoint what came before it", async (t) => {
    const store = await opened(t, under);
    const put = (db: Store["db"], key: string) => db.insertInto("meta").values({ key, value: "" }).execute();
    await t.rejects(
      store.db.transaction().execute(async (transaction) => {
        await put(transaction, "a");
        await put(transaction, "a");
      }),
    );
    const controlled = await store.db.startTransaction().execute();
    await put(controlled, "kept");
    const saved = await controlled.savepoint("work").execute();
    await put(saved, "lost");
    await t.rejects(put(saved, "kept"));
    await saved.rollbackToSavepoint("work").execute();
    await controlled.commit().execute();
    t.same(await store.db.selectFrom("meta").select("key").execute(), [{ key: "kept" }]);
  });

  t.test("a database of a newer version is refused", async (t) => {
    const place = await under.place(t);
    const store = await under.open(place);
    await sql`insert into kysely_migration values ('9999-later', '2099-01-01T00:00:00Z')`.execute(store.db);
    await store.close();
    await t.rejects(under.open(place), { code: "STORE_TOO_NEW" });
  });

  t.test("deleted rows can be scrubbed", async (t) => {
    const store = await opened(t, under);
    t.equal(await store.scrub(), true);
  });

  t.test("the ledger keeps state and entries together, and reads them again after a restart", async (t) => {
    const place = await under.place(t);
    const store = await under.open(place);
    const ledger = await openLedger(store);
    const device = new TestDevice(1);
    await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
    const given = await device.consent("given");
    const settled = await Promise.allSettled([
      ledger.commit(async (tx) => {
        await tx.appendSigned(given);
        await tx.db.insertInto("meta").values({ key: "with", value: "consent" }).execute();
      }),
      ledger.commit(async (tx) => {
        await tx.append("heartbeat", {});
        await tx.db.insertInto("meta").values({ key: "never", value: "" }).execute();
        throw new Error("no");
      }),
      // A statement that the database refuses ends this work alone.
      ledger.commit(async (tx) => {
        await tx.append("heartbeat", {});
        await sql`insert into populations values ('p', '{}', 'dancing', 1)`.execute(tx.db);
      }),
      ledger.commit((tx) => tx.append("heartbeat", {})),
    ]);
    t.same(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected", "rejected", "fulfilled"],
    );
    t.equal(ledger.size, 3);
    t.same(await store.db.selectFrom("meta").select("key").execute(), [{ key: "with" }]);
    const { text } = ledger.checkpoint();
    await ledger.close();
    await store.close();
    await using again = await under.open(place);
    await using reopened = await openLedger(again);
    t.equal(reopened.checkpoint().text, text);
    t.ok(reopened.view.status(device.subject, "lecture-recommendations", 1_700_000_000_000).state === "given");
    const receipt = await reopened.commit((tx) => tx.appendSigned(given));
    t.same(receipt.appended, [], "the same entry again is not another one");
    t.ok(reopened instanceof Ledger);
  });
}
