// Several processes on one database, as several stores on it: leases, and a log that none of them forks.
import { parseEntry } from "@fedloop/consent";
import { sql } from "kysely";
import t, { type Test } from "tap";
import { Leases } from "../../src/leadership/leases.js";
import { fenced } from "../../src/ledger/ledger.js";
import { readLog } from "../../src/ledger/log-state.js";
import type { Store } from "../../src/store/database.js";
import { openPostgresStore } from "../../src/store/postgres.js";
import { StoreUnreachable } from "../../src/store/store-unreachable.js";
import { ORIGIN, openLedger, policyBody, TestDevice } from "../ledger/fixture.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";

const LONG_MS = 60_000;

function leasesOf(store: Store, holder: string, leaseMs = LONG_MS, monotonic?: { now(): number }): Leases {
  return new Leases({ store, holder, address: () => `${holder}:1`, leaseMs, ...(monotonic ? { monotonic } : {}) });
}

async function acquired(leases: Leases, name = "lecturers") {
  const lease = await leases.acquire(name, new AbortController().signal);
  if (lease === undefined) throw new Error("expected a lease");
  return lease;
}

/** Ends a lease in the database as time would: what its holder knows of it does not change. */
async function expire(store: Store): Promise<void> {
  await sql`update leases set expires_ms = 1`.execute(store.db);
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === "function" ? value.bind(target) : value;
}

t.test("on one PostgreSQL database", { skip: withoutPostgres() }, async (t) => {
  const server = await PostgresServer.start();
  t.teardown(() => server.close());

  const opened = async (t: Test, processes: number): Promise<Store[]> => {
    const url = await server.database();
    const stores: Store[] = [];
    for (let i = 0; i < processes; i++) stores.push(await openPostgresStore(url));
    t.teardown(() => Promise.all(stores.map((store) => store.close())));
    return stores;
  };
  const pair = async (t: Test): Promise<[Store, Store]> => {
    const [a, b] = await opened(t, 2);
    if (a === undefined || b === undefined) throw new Error("expected two stores");
    return [a, b];
  };

  t.test("of many that want a lease at once, one gets it", async (t) => {
    const [store] = await pair(t);
    const stop = new AbortController();
    const all = Array.from({ length: 6 }, (_, i) => leasesOf(store, `p${i}`).acquire("lecturers", stop.signal));
    const first = await Promise.race(all);
    t.match(await leasesOf(store, "x").leader("lecturers"), { holder: /^p[0-5]$/ });
    stop.abort();
    const held = (await Promise.all(all)).filter((lease) => lease !== undefined);
    t.same(held, [first]);
    await first?.[Symbol.asyncDispose]();
    t.equal(await leasesOf(store, "x").leader("lecturers"), undefined, "given back");
  });

  t.test("a lease that ran out goes to another with a higher token; the former holder can write nothing", async (t) => {
    const [a, b] = await pair(t);
    const first = await acquired(leasesOf(a, "a"));
    await using ledgerA = await openLedger(a);
    await using ledgerB = await openLedger(b);
    const writes = fenced(ledgerA, (tx) => first.fence(tx));
    await writes.commit((tx) => tx.append("policy.publish", policyBody()));
    await expire(b);
    await using second = await acquired(leasesOf(b, "b"));
    t.equal(second.token, first.token + 1);
    // As a process that was stopped in the middle of its work, and goes on as if nothing had happened.
    t.equal(first.isHeld, true);
    const late = writes.commit(async (tx) => {
      await tx.append("heartbeat", {});
      await tx.db.insertInto("meta").values({ key: "late", value: "" }).execute();
    });
    await t.rejects(late, { code: "RETRY" });
    t.equal(first.isHeld, false, "and it knows now");
    t.equal(first.lost.aborted, true);
    await fenced(ledgerB, (tx) => second.fence(tx)).commit((tx) => tx.append("heartbeat", {}));
    t.equal(ledgerB.size, 2);
    t.same(await b.db.selectFrom("meta").selectAll().execute(), []);
  });

  t.test("who takes a lease waits for the transaction that rests on the old one", async (t) => {
    const [a, b] = await pair(t);
    const first = await acquired(leasesOf(a, "a"));
    let next: Promise<unknown> | undefined;
    const order: string[] = [];
    await a.db.transaction().execute(async (db) => {
      await first.fence({ db });
      // The row is locked against changes: not even the clock takes the lease away here.
      next = (async () => {
        await expire(b);
        await using _second = await acquired(leasesOf(b, "b"));
        order.push("taken");
      })();
      for (let waiting = 0; waiting === 0; ) {
        const { rows } = await sql<{ count: number }>`select count(*) from pg_locks where not granted`.execute(db);
        waiting = rows[0]?.count ?? 0;
      }
      await db.insertInto("meta").values({ key: "in time", value: "" }).execute();
      order.push("written");
    });
    await next;
    t.same(order, ["written", "taken"]);
    await first[Symbol.asyncDispose]();
  });

  t.test(
    "a process that hangs in a transaction holds the others up for a moment, and writes nothing of it",
    async (t) => {
      const url = await server.database();
      // The server ends what is idle in a transaction; only how long it waits is shorter here.
      const hanging = await openPostgresStore(url, { timeouts: { idleInTransactionMs: 200 } });
      const other = await openPostgresStore(url);
      t.teardown(() => Promise.all([hanging.close(), other.close()]));
      await using one = await openLedger(hanging);
      await using two = await openLedger(other);
      await one.commit((tx) => tx.append("policy.publish", policyBody()));
      const lease = await acquired(leasesOf(hanging, "a"));
      let wake: () => void = () => undefined;
      let hang: () => void = () => undefined;
      const hangs = new Promise<void>((resolve) => {
        hang = resolve;
      });
      const work = fenced(one, (tx) => lease.fence(tx)).commit(async (tx) => {
        await tx.append("heartbeat", {});
        await tx.db.insertInto("meta").values({ key: "late", value: "" }).execute();
        hang();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      });
      work.catch(() => undefined);
      await hangs;
      // It has the log and the lease locked, and the next leader needs both.
      await expire(other);
      await using next = await acquired(leasesOf(other, "b"));
      await fenced(two, (tx) => next.fence(tx)).commit((tx) => tx.append("heartbeat", {}));
      wake();
      await t.rejects(work, { code: "RETRY" });
      t.same(await other.db.selectFrom("meta").selectAll().execute(), []);
      await two.refresh();
      t.equal(two.size, 2);
      await lease[Symbol.asyncDispose]();
    },
  );

  t.test("a holder whose renewals do not come through stops before the lease is over", async (t) => {
    const [store] = await pair(t);
    const clock = { ms: 0, now: () => clock.ms };
    const lease = await acquired(leasesOf(store, "a", LONG_MS, clock));
    clock.ms = LONG_MS * 0.79;
    t.equal(lease.isHeld, true);
    clock.ms = LONG_MS * 0.81;
    t.equal(lease.isHeld, false);
    t.equal(lease.lost.aborted, true);
    await lease[Symbol.asyncDispose]();
  });

  t.test("two ledgers append in turns: one log, no gap, and each knows all of it", async (t) => {
    const [a, b] = await pair(t);
    const [one, two] = await Promise.all([openLedger(a), openLedger(b)]);
    await one.commit((tx) => tx.append("policy.publish", policyBody()));
    const devices = Array.from({ length: 20 }, (_, i) => new TestDevice(i));
    await Promise.all(
      devices.map(async (device, i) => {
        const entry = await device.consent("given");
        await (i % 2 === 0 ? one : two).commit((tx) => tx.appendSigned(entry));
      }),
    );
    const noise = Array.from({ length: 30 }, (_, i) =>
      (i % 3 === 0 ? one : two).commit((tx) => tx.append("heartbeat", {})),
    );
    await Promise.all(noise);
    await Promise.all([one.refresh(), two.refresh()]);
    t.equal(one.size, 51);
    t.equal(one.checkpoint().text, two.checkpoint().text);
    for (const ledger of [one, two]) {
      for (const device of devices) {
        t.equal(ledger.view.status(device.subject, "lecture-recommendations", 1_700_000_000_000).state, "given");
      }
    }
    const { tree } = await readLog(a.db, ORIGIN);
    t.same(tree.root(), one.checkpoint().root);
    const chain: number[] = [];
    for await (const bytes of one.entries()) {
      const entry = parseEntry(bytes);
      if (entry.actor === "coordinator") chain.push(entry.aseq);
    }
    t.same(chain, [...chain.keys()], "the coordinator's own chain has no gap either");
    t.same(one.consistency(3, 51), two.consistency(3, 51));
    await Promise.all([one.close(), two.close()]);
  });

  t.test("a connection that is cut at any moment loses no acknowledged work and writes none twice", async (t) => {
    const [a, b] = await pair(t);
    await using ledger = await openLedger(a);
    await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
    const works = Array.from({ length: 40 }, async (_, i) => {
      const outcome = await ledger
        .commit(async (tx) => {
          await tx.append("heartbeat", {});
          await tx.db
            .insertInto("meta")
            .values({ key: `work ${i}`, value: "" })
            .execute();
          if (i % 8 !== 3) return;
          // The server ends this very transaction's connection.
          await sql`select pg_terminate_backend(pid) from pg_stat_activity where state like 'idle in transaction%'`.execute(
            b.db,
          );
        })
        .then(
          () => true,
          () => false,
        );
      return outcome ? `work ${i}` : undefined;
    });
    const acknowledged = (await Promise.all(works)).filter((key) => key !== undefined);
    await ledger.commit((tx) => tx.append("heartbeat", {}));
    const written = (await b.db.selectFrom("meta").select("key").execute()).map(({ key }) => key);
    t.same(new Set(written), new Set(acknowledged), "what is written is what was acknowledged");
    t.equal(ledger.size, written.length + 2);
    const { tree } = await readLog(b.db, ORIGIN);
    t.same(tree.root(), ledger.checkpoint().root);
  });

  t.test("a commit whose answer was lost is found out about, whichever way it went", async (t) => {
    const [a, b] = await pair(t);
    const first = await openLedger(a);
    await first.commit((tx) => tx.append("policy.publish", policyBody()));
    await first.close();
    for (const outcome of ["committed", "aborted"] as const) {
      const { db } = a;
      // The connection breaks with the commit: once after the server did it, once before.
      const breaking = new Proxy(db, {
        get(target, property) {
          if (property !== "startTransaction") return bound(target, property);
          return () => ({
            execute: async () => {
              const transaction = await target.startTransaction().execute();
              return new Proxy(transaction, {
                get(inner, name) {
                  if (name !== "commit") return bound(inner, name);
                  return () => ({
                    execute: async () => {
                      if (outcome === "committed") await inner.commit().execute();
                      else await inner.rollback().execute();
                      Reflect.set(store, "db", db);
                      throw new StoreUnreachable(new Error("the connection broke"));
                    },
                  });
                },
              });
            },
          });
        },
      });
      const store = { ...a, db: breaking };
      const during = await openLedger(store);
      const before = during.size;
      const work = during.commit((tx) => tx.append("heartbeat", {}));
      if (outcome === "committed") t.equal((await work).appended.length, 1);
      else await t.rejects(work, { code: "RETRY" });
      t.equal(during.size, before + (outcome === "committed" ? 1 : 0), outcome);
      await during.commit((tx) => tx.append("heartbeat", {}));
      const { tree } = await readLog(b.db, ORIGIN);
      t.same(tree.root(), during.checkpoint().root);
      await during.close();
    }
  });

  t.test("a database of which an older state was restored is not gone on with", async (t) => {
    const [a, b] = await pair(t);
    await using ledger = await openLedger(a);
    const first = await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
    const { size, root, text } = ledger.checkpoint();
    await ledger.commit((tx) => tx.append("heartbeat", {}));
    await b.db.deleteFrom("entries").where("index", ">=", first.appended.length).execute();
    await b.db.updateTable("checkpoint").set({ size, root, text }).execute();
    await t.rejects(
      ledger.commit((tx) => tx.append("heartbeat", {})),
      { code: "LEDGER_CORRUPT" },
    );
    await t.rejects(
      ledger.commit((tx) => tx.append("heartbeat", {})),
      { code: "LEDGER_STOPPED" },
    );
  });
});
