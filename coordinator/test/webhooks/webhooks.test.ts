import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";
import t from "tap";
import { afterAttempt, MOST_ATTEMPTS } from "../../src/webhooks/outbox.js";
import { send } from "../../src/webhooks/sender.js";
import { openWithApi } from "../admin/api.js";
import { Federation } from "../server/federation.js";
import { centralNoise, POPULATION } from "../server/plans.js";
import { endpointFor, Receiver } from "./receiver.js";

async function trained(federation: Federation): Promise<void> {
  const people = await Promise.all([1, 2, 3].map(() => federation.join()));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
}

t.test("a round's end, its model and the budget are told once each, signed, with what the ledger says", async (t) => {
  const receiver = await Receiver.open(t);
  const { secret, endpoint } = endpointFor(t, receiver.url);
  const { federation, post, get } = await openWithApi(t, { plan: centralNoise(2, 4), webhooks: [endpoint] });
  await trained(federation);
  await federation.coordinator.webhooks.settled();
  const told = receiver.received.map(({ headers, body }) => {
    const message = new Webhook(secret).verify(body, headers as Record<string, string>) as {
      type: string;
      data: object;
    };
    return { ...message, id: headers["webhook-id"] };
  });
  t.strictSame(told.map(({ type }) => type).sort(), [
    "budget.threshold",
    "model.released",
    "model.staged",
    "round.closed",
  ]);
  t.match(
    told.find(({ type }) => type === "round.closed"),
    { data: { population: POPULATION, round: 1, outcome: "completed", participants: 3 } },
  );
  t.match(
    told.find(({ type }) => type === "budget.threshold"),
    { data: { population: POPULATION, percent: 50, cap: "4" } },
  );
  t.equal(new Set(told.map(({ id }) => id)).size, 4);
  const [first] = receiver.received;
  // By the receiver's clock, six minutes later.
  const late = t.intercept(Date, "now", { value: () => performance.timeOrigin + performance.now() + 360_000 });
  t.throws(() => new Webhook(secret).verify(first?.body ?? "", first?.headers as Record<string, string>), /too old/);
  late.restore();

  t.equal((await post("/webhooks/nobody/test", {}, "a-key-of-the-test-1")).status, 404);
  const test = await post("/webhooks/ops/test", {}, "a-key-of-the-test-2");
  t.equal(test.status, 202);
  t.strictSame((await post("/webhooks/ops/test", {}, "a-key-of-the-test-2")).body, test.body);
  await federation.coordinator.webhooks.settled();
  t.strictSame(
    receiver.received.slice(4).map(({ headers }) => headers["webhook-id"]),
    [test.body.id],
    "the repeated request sent nothing more",
  );
  t.match((await get("/webhooks")).body.items, [
    { name: "ops", deliveries: { pending: 0, delivered: 5, "given-up": 0 } },
  ]);
  const { body: page } = await get("/webhooks/deliveries?limit=3");
  t.equal(page.items.length, 3);
  t.equal((await get(`/webhooks/deliveries?limit=3&cursor=${page.next}`)).body.items.length, 2);
  t.strictSame(federation.faults, []);
});

t.test("what could not be delivered is delivered after a restart, with the same id and body", async (t) => {
  const receiver = await Receiver.open(t);
  receiver.statuses.push(...Array(10).fill(503));
  const { endpoint } = endpointFor(t, receiver.url, { events: ["round.closed"] });
  const first = await Federation.open(t, { webhooks: [endpoint] });
  await trained(first);
  await first.coordinator.webhooks.settled();
  t.equal(receiver.received.length, 1, "the next attempt waits");
  await first.close();
  receiver.statuses.length = 0;
  const later = { now: () => Date.now() + 60_000 };
  const second = await Federation.open(t, { dataDir: first.folder, webhooks: [endpoint], clock: later });
  await second.coordinator.webhooks.settled();
  const [before, after] = receiver.received;
  t.equal(receiver.received.length, 2);
  t.equal(after?.headers["webhook-id"], before?.headers["webhook-id"]);
  t.equal(after?.body, before?.body);
  t.equal(await second.coordinator.webhooks.emit("drift.detected", "msg_drift_1", { population: POPULATION }), 0);
});

t.test("events told before an endpoint was named are not its business; drift is told once for each id", async (t) => {
  const receiver = await Receiver.open(t);
  const { endpoint } = endpointFor(t, receiver.url);
  const first = await Federation.open(t);
  await trained(first);
  await first.close();
  const second = await Federation.open(t, { dataDir: first.folder, webhooks: [endpoint] });
  const { webhooks } = second.coordinator;
  await webhooks.settled();
  t.equal(receiver.received.length, 0);
  for (let i = 0; i < 3; i++)
    await webhooks.emit("drift.detected", "msg_drift_1", { population: POPULATION, metric: "rmse" });
  await webhooks.settled();
  t.match(
    receiver.received.map(({ body }) => JSON.parse(body)),
    [{ type: "drift.detected", data: { metric: "rmse" } }],
  );
});

t.test("waits grow, are spread, and end; 410 ends at once", (t) => {
  const failed = { type: "answered", status: 500 } as const;
  let row = { attempts: 0 };
  const waits: number[] = [];
  for (;;) {
    const next = afterAttempt(row, failed, 0, () => 0.5);
    if (next.state !== "pending") {
      t.match(next, { state: "given-up", attempts: MOST_ATTEMPTS, last_result: "500" });
      break;
    }
    waits.push(next.due_ms / 1_000);
    row = next;
  }
  t.strictSame(waits, [5, 20, 80, 320, 1_280, 5_120, 20_480, 21_600, 21_600]);
  t.equal(afterAttempt({ attempts: 1 }, failed, 0, () => 0).due_ms, 10_000);
  t.equal(afterAttempt({ attempts: 1 }, failed, 0, () => 1).due_ms, 30_000);
  t.equal(afterAttempt({ attempts: 0 }, { type: "answered", status: 410 }, 0).state, "given-up");
  t.equal(
    afterAttempt({ attempts: 0 }, { type: "answered", status: 301 }, 0).state,
    "pending",
    "redirects are not followed",
  );
  t.equal(afterAttempt({ attempts: 0 }, { type: "failed", why: "ECONNREFUSED" }, 0).last_result, "ECONNREFUSED");
  t.end();
});

t.test("private addresses are refused before anything is sent, names that lead there too", async (t) => {
  const receiver = await Receiver.open(t);
  for (const url of [receiver.url, receiver.url.replace("127.0.0.1", "localhost")]) {
    const { endpoint } = endpointFor(t, url, { allowPrivate: false });
    const result = await send(endpoint, { id: "msg_1", payload: "{}" }, { nowMs: Date.now() });
    t.match(result, { type: "failed", why: /private network/ }, url);
  }
  t.equal(receiver.received.length, 0);
});

t.test(
  "two lines of secrets sign twice, so that receivers can change over; a secret that is none is told",
  async (t) => {
    const receiver = await Receiver.open(t);
    const { secret, endpoint } = endpointFor(t, receiver.url);
    const next = `whsec_${randomBytes(24).toString("base64")}`;
    writeFileSync(endpoint.secretFile, `${next}\n${secret}\n`);
    t.match(await send(endpoint, { id: "msg_1", payload: "{}" }, { nowMs: Date.now() }), { status: 200 });
    const [{ headers = {}, body = "" } = {}] = receiver.received;
    for (const one of [secret, next])
      t.doesNotThrow(() => new Webhook(one).verify(body, headers as Record<string, string>));
    writeFileSync(endpoint.secretFile, "hunter2hunter2hunter2\n");
    await t.rejects(send(endpoint, { id: "msg_1", payload: "{}" }, { nowMs: Date.now() }), {
      code: "FILE_UNREADABLE",
      message: /whsec_/,
    });
  },
);
