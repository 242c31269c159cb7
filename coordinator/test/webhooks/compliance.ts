// What the outbox of webhooks does, whatever database is behind it.
import type { Test } from "tap";
import type { Leases } from "../../src/leadership/leases.js";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { Store } from "../../src/store/database.js";
import { enqueue } from "../../src/webhooks/outbox.js";
import type { WebhookEndpoint } from "../../src/webhooks/sender.js";
import { Webhooks } from "../../src/webhooks/webhooks.js";
import { manualClock, openLedger } from "../ledger/fixture.js";
import type { StoreUnderTest } from "../store/compliance.js";
import { endpointFor, Receiver } from "./receiver.js";

const MESSAGE = { id: "msg_1", type: "drift.detected", timeMs: 0, data: {}, fact: null } as const;

/** A coordinator's webhooks over a store, begun; closed with the test unless before. */
export async function startWebhooks(
  t: Test,
  parts: {
    readonly store: Store;
    readonly ledger: Ledger;
    readonly endpoints: readonly WebhookEndpoint[];
    readonly leases?: Leases;
    readonly clock?: { now(): number };
    readonly faults?: unknown[];
  },
): Promise<Webhooks> {
  const { faults = [], ...rest } = parts;
  const onFault = (_where: string, cause: unknown) => faults.push(cause);
  const webhooks = new Webhooks({ clock: manualClock(), ...rest, onFault });
  await webhooks.start();
  t.teardown(() => webhooks.close());
  return webhooks;
}

export function webhooksCompliance(t: Test, under: StoreUnderTest): void {
  const start = async (t: Test) => {
    const store = await under.open(await under.place(t));
    t.teardown(() => store.close());
    const ledger = await openLedger(store);
    t.teardown(() => ledger.close());
    return { store, ledger };
  };
  const deliveries = ({ db }: Store) =>
    db.selectFrom("webhook_deliveries").select(["id", "state", "attempts"]).execute();

  t.test("the same message is put into the outbox once, and a fact is told once, whoever else tells it", async (t) => {
    const { store } = await start(t);
    const { endpoint } = endpointFor(t, "http://127.0.0.1:1/");
    const crossed = (id: string) => ({ ...MESSAGE, id, fact: "budget/lecturers/4/0.5" });
    const tell = (message: Parameters<typeof enqueue>[2]) => enqueue(store.db, [endpoint], message, 0);
    await Promise.all([tell(MESSAGE), tell(MESSAGE), tell(crossed("msg_2")), tell(crossed("msg_3"))]);
    const told = (await deliveries(store)).map(({ id }) => id);
    t.equal(told.length, 2);
    t.ok(told.includes("msg_1"));
  });

  t.test("a message that was under way when a process ended is sent again by the next, at once", async (t) => {
    const { store, ledger } = await start(t);
    const receiver = await Receiver.open(t);
    const { endpoint } = endpointFor(t, receiver.url);
    const first = await startWebhooks(t, { store, ledger, endpoints: [endpoint] });
    // The receiver has it, and the answer never comes.
    const arrived = new Promise<void>((resolve) => {
      receiver.beforeAnswer = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    await first.emit(MESSAGE.type, MESSAGE.id, MESSAGE.data);
    await arrived;
    await first.close();
    t.match(await deliveries(store), [{ id: "msg_1", state: "pending", attempts: 0 }]);
    receiver.beforeAnswer = () => Promise.resolve();
    const second = await startWebhooks(t, { store, ledger, endpoints: [endpoint] });
    await second.settled();
    t.strictSame(
      receiver.received.map(({ headers }) => headers["webhook-id"]),
      ["msg_1", "msg_1"],
    );
    t.match(await deliveries(store), [{ id: "msg_1", state: "delivered", attempts: 1 }]);
  });

  t.test("what fails is sent again when its time has come, by the same process, until it is taken", async (t) => {
    const { store, ledger } = await start(t);
    const receiver = await Receiver.open(t);
    receiver.statuses.push(500, 429);
    const third = new Promise<void>((resolve) => {
      receiver.beforeAnswer = async () => {
        if (receiver.received.length === 3) resolve();
      };
    });
    // An hour passes between any two looks: every wait is over as soon as it has begun.
    let nowMs = 0;
    const clock = { now: () => (nowMs += 3_600_000) };
    const { endpoint } = endpointFor(t, receiver.url);
    const webhooks = await startWebhooks(t, { store, ledger, endpoints: [endpoint], clock });
    await webhooks.emit(MESSAGE.type, "msg_1", {});
    await third;
    await webhooks.settled();
    t.match(await deliveries(store), [{ id: "msg_1", state: "delivered", attempts: 3 }]);
    t.equal(new Set(receiver.received.map(({ body }) => body)).size, 1);
  });

  t.test("a failed attempt is counted and waits, what else is due is delivered", async (t) => {
    const { store, ledger } = await start(t);
    const receiver = await Receiver.open(t);
    receiver.statuses.push(503);
    const { endpoint } = endpointFor(t, receiver.url);
    const webhooks = await startWebhooks(t, { store, ledger, endpoints: [endpoint] });
    await webhooks.emit(MESSAGE.type, "msg_1", {});
    await webhooks.settled();
    await webhooks.emit(MESSAGE.type, "msg_2", {});
    await webhooks.settled();
    t.strictSame(
      (await deliveries(store)).sort((a, b) => (a.id < b.id ? -1 : 1)),
      [
        { id: "msg_1", state: "pending", attempts: 1 },
        { id: "msg_2", state: "delivered", attempts: 1 },
      ],
    );
  });
}
