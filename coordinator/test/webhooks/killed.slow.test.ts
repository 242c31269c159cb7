// Coordinators that are killed while they tell of what happened: nothing is lost, and what is told twice has the same id.
import { parseEntry } from "@fedloop/consent";
import t, { type Test } from "tap";
import { openPostgresReader } from "../../src/store/postgres.js";
import { messagesOf } from "../../src/webhooks/events.js";
import type { SharedProcess } from "../leadership/coordinator-process.js";
import { SharedFederation } from "../leadership/shared-federation.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { within } from "../within.js";
import { endpointFor, Receiver } from "./receiver.js";

t.setTimeout(300_000);

/** Who delivers now, by the database. */
async function deliverer(federation: SharedFederation): Promise<SharedProcess | undefined> {
  await using store = await openPostgresReader(federation.settings.url);
  const lease = await store.db
    .selectFrom("leases")
    .select("holder")
    .where("name", "=", "fedloop/webhooks")
    .executeTakeFirst();
  return federation.processes.find((each) => !each.hasEnded && lease !== undefined && each.isHolder(lease.holder));
}

/** Ids of the messages that the log stands for. */
async function expected(url: string): Promise<Set<string>> {
  await using store = await openPostgresReader(url);
  const rows = await store.db
    .selectFrom("entries")
    .select(["index", "bytes"])
    .where("type", "in", ["round.close", "model.release"])
    .execute();
  return new Set(
    rows
      .flatMap(({ index, bytes }) => messagesOf(index, parseEntry(new Uint8Array(bytes)), undefined))
      .map(({ id }) => id),
  );
}

/** Resolves when the receiver has all of these. */
async function received(receiver: Receiver, ids: ReadonlySet<string>): Promise<void> {
  const missing = new Set(ids);
  for (const { headers } of receiver.received) missing.delete(String(headers["webhook-id"]));
  if (missing.size === 0) return;
  const all = new Promise<void>((resolve) => {
    receiver.beforeAnswer = async ({ headers }) => {
      missing.delete(String(headers["webhook-id"]));
      if (missing.size === 0) resolve();
    };
  });
  await within(all, () => `messages that are missing, ${[...missing]}`);
}

async function start(t: Test, postgres: PostgresServer) {
  const receiver = await Receiver.open(t);
  const { endpoint } = endpointFor(t, receiver.url, { events: ["round.closed", "model.released"] });
  const federation = await SharedFederation.start(t, postgres, {
    rounds: 1_000,
    leaseMs: 2_000,
    plan: { cohort: { target: 2, minimum: 2, overSelection: 1 } },
    webhooks: [endpoint],
  });
  return { receiver, federation };
}

t.test("where two coordinators share PostgreSQL", { skip: withoutPostgres() }, async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.close());
  const { receiver, federation } = await start(t, postgres);
  // The deliverer is killed when the receiver has a message and has not answered.
  const killed = new Promise<string>((resolve) => {
    receiver.beforeAnswer = async ({ headers }) => {
      receiver.beforeAnswer = () => Promise.resolve();
      const victim = await deliverer(federation);
      if (victim === undefined) throw new Error("expected the process that has just sent this");
      await federation.replace(victim);
      resolve(String(headers["webhook-id"]));
    };
  });
  federation.takePart([1, 2]);
  const underWay = await within(killed, () => "a message to the receiver");

  // The leader is killed when a round has just closed: its log is to be read by whoever delivers then.
  const { leader, letGo } = await federation.leaderAt("closed");
  leader.kill();
  await leader.ended();
  letGo();
  await federation.replace(leader);

  await federation.stopAfterRound();
  const ids = await expected(federation.settings.url);
  const all = received(receiver, ids);
  // What was not told when they were stopped is told by the next that starts.
  await federation.add();
  await all;
  const told = receiver.received.map(({ headers, body }) => ({ id: String(headers["webhook-id"]), body }));
  t.ok(ids.size >= 4, `${ids.size} messages`);
  t.strictSame(new Set(told.map(({ id }) => id)), ids, "each is told, and nothing else");
  t.ok(told.filter(({ id }) => id === underWay).length >= 2, "the one under way is told again");
  t.equal(new Set(told.map(({ id, body }) => `${id} ${body}`)).size, ids.size, "an id has the same body each time");
});
