// Webhooks of coordinators that share a database: one of them delivers.
import { sql } from "kysely";
import type { Test } from "tap";
import { Leases } from "../../src/leadership/leases.js";
import type { Store } from "../../src/store/database.js";
import { openPostgresStore } from "../../src/store/postgres.js";
import { openLedger } from "../ledger/fixture.js";
import type { PostgresServer } from "../store/postgres-server.js";
import { startWebhooks } from "./compliance.js";
import { endpointFor, Receiver } from "./receiver.js";

/** Looked at every two seconds; long enough for a busy machine to keep. */
const LEASE_MS = 10_000;

async function process(t: Test, url: string, name: string, receiver: string, leaseMs = LEASE_MS) {
  const store = await openPostgresStore(url);
  t.teardown(() => store.close());
  const ledger = await openLedger(store);
  t.teardown(() => ledger.close());
  const leases = new Leases({ store, holder: name, address: () => `${name}:1`, leaseMs });
  const faults: unknown[] = [];
  const { endpoint } = endpointFor(t, receiver);
  const webhooks = await startWebhooks(t, { store, ledger, endpoints: [endpoint], leases, faults });
  return { store, webhooks, faults, leases };
}

async function states({ db }: Store): Promise<readonly string[]> {
  const rows = await db.selectFrom("webhook_deliveries").select(["id", "state", "attempts"]).orderBy("id").execute();
  return rows.map(({ id, state, attempts }) => `${id} ${state} ${attempts}`);
}

export function sharedWebhooks(t: Test, server: PostgresServer): void {
  t.test("of two coordinators one delivers, whichever was told, and each message once", async (t) => {
    const url = await server.database();
    const receiver = await Receiver.open(t);
    const one = await process(t, url, "one", receiver.url);
    const two = await process(t, url, "two", receiver.url);
    const arrived = new Promise<void>((resolve) => {
      receiver.beforeAnswer = async () => {
        if (receiver.received.length === 20) resolve();
      };
    });
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? one : two).webhooks.emit("drift.detected", `msg_${i}`, { metric: "rmse" }),
      ),
    );
    await arrived;
    await Promise.all([one.webhooks.settled(), two.webhooks.settled()]);
    await Promise.all([one.webhooks.close(), two.webhooks.close()]);
    const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
    t.equal(new Set(ids).size, 20);
    t.equal(ids.length, 20);
    t.strictSame([...one.faults, ...two.faults], []);
  });

  t.test("one that hung while a message was under way changes nothing when it wakes up", async (t) => {
    const url = await server.database();
    const receiver = await Receiver.open(t);
    // Not renewed while the test lasts: a process that hangs renews nothing.
    const one = await process(t, url, "one", receiver.url, 60 * LEASE_MS);
    let answerFirst: () => void = () => undefined;
    const firstArrived = new Promise<void>((arrived) => {
      receiver.beforeAnswer = () => {
        arrived();
        return new Promise((resolve) => {
          answerFirst = resolve;
        });
      };
    });
    // The answer to the first process, when it comes: a refusal, which would make the message wait for another attempt.
    await one.webhooks.emit("drift.detected", "msg_1", {});
    await firstArrived;
    let secondArrived: () => void = () => undefined;
    const delivered = new Promise<void>((resolve) => {
      secondArrived = resolve;
    });
    receiver.beforeAnswer = async () => secondArrived();
    // As the clock would, while the first process hangs: it still takes itself for the one that delivers.
    await sql`update leases set expires_ms = 1`.execute(one.store.db);
    const two = await process(t, url, "two", receiver.url);
    await delivered;
    await two.webhooks.settled();
    await two.webhooks.close();
    t.strictSame(await states(two.store), ["msg_1 delivered 1"]);
    receiver.statuses.push(500);
    answerFirst();
    await one.webhooks.settled();
    t.strictSame(await states(two.store), ["msg_1 delivered 1"], "the late answer was not written");
    t.strictSame(
      receiver.received.map(({ headers }) => headers["webhook-id"]),
      ["msg_1", "msg_1"],
      "a receiver may see one twice, under the same id",
    );
  });
}
