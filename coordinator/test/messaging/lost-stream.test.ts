// A message server that has lost the work stream: it is made again, and whoever waits for what was in it hears that it is gone.
import type { UnmaskWork } from "@fedloop/privacy/secagg";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import t, { type Test } from "tap";
import { AggregatorProcess } from "../../src/messaging/aggregator-process.js";
import { Aggregators } from "../../src/messaging/aggregators.js";
import { GroupSeal } from "../../src/messaging/seal.js";
import { contentsOf, type WorkMessage, WorkStream } from "../../src/messaging/work-stream.js";
import { ORIGIN } from "../server/federation.js";
import { within } from "../within.js";
import { aggregated } from "./aggregated.js";
import { NatsServer, withoutNats } from "./nats-server.js";

const SECRET = new Uint8Array(32).fill(7);
const GROUP = "group";
const SEAL = new GroupSeal(SECRET, GROUP);

async function connected(t: Test, server: NatsServer): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  t.teardown(() => connection.close());
  return connection;
}

/** Deletes the stream that carries work between processes. */
async function loseStream(connection: NatsConnection, origin: string = ORIGIN): Promise<void> {
  const { name } = await WorkStream.open(connection, origin, "anyone");
  await (await jetstreamManager(connection)).streams.delete(name);
}

/** Has a process receive, whatever happens to the stream, and tells of what came. */
function receiving(t: Test, stream: WorkStream): (isWanted: (message: WorkMessage) => boolean) => Promise<WorkMessage> {
  const messages: WorkMessage[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  void (async () => {
    while (!isOver) {
      try {
        for await (const message of stream.receive()) {
          messages.push(message);
          for (const wake of waiting) wake();
        }
      } catch {
        // Lost: it is received from what is made anew.
      }
    }
  })();
  t.teardown(() => {
    isOver = true;
    return stream.close();
  });
  const next = async (isWanted: (message: WorkMessage) => boolean): Promise<WorkMessage> => {
    for (;;) {
      const found = messages.find(isWanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  };
  return (isWanted) =>
    within(next(isWanted), () => `a message with ${isWanted}, came ${messages.map(({ kind }) => kind)}`);
}

t.test("where the message server loses the work stream", { skip: withoutNats() }, async (t) => {
  const server = await NatsServer.start();
  t.teardown(() => server.close());

  t.test("what is sent then arrives whole, in the stream that is made anew", async (t) => {
    const origin = "example.org/sent";
    const connection = await connected(t, server);
    const from = await WorkStream.open(connection, origin, "from");
    const to = await WorkStream.open(connection, origin, "to");
    const received = receiving(t, to);
    const bytes = new Uint8Array(1_200_000).fill(3);
    for (const lost of [() => loseStream(connection, origin), () => server.kill().then(() => server.resume())]) {
      const group = crypto.randomUUID();
      const seal = new GroupSeal(SECRET, group);
      await from.send("to", { group, kind: "open", bytes: new Uint8Array(1) }, seal);
      await received((message) => message.group === group && message.kind === "open");
      await lost();
      await from.send("to", { group, kind: "vector", number: 4, bytes }, seal);
      const message = await received((message) => message.group === group && message.kind === "vector");
      t.match(message, { from: "from", number: 4 });
      t.same(Buffer.from(contentsOf(message, seal)), Buffer.from(bytes));
    }
  });

  t.test("an aggregator without an answer is asked, and the group is given up when it has none", async (t) => {
    const origin = "example.org/asked";
    const connection = await connected(t, server);
    // It says that it is there, and loses what it is to finish.
    const mute = await WorkStream.open(connection, origin, "mute");
    const received = receiving(t, mute);
    const telling = setInterval(() => connection.publish(mute.presence, "mute"), 100);
    t.teardown(() => clearInterval(telling));
    const options = { connection, origin, secret: SECRET, askMs: 1, onFault: () => undefined };
    const aggregators = await Aggregators.open(options);
    t.teardown(() => aggregators[Symbol.asyncDispose]());
    const remote = aggregators.assign({ length: 4, bits: 8 });
    if (remote === undefined) throw new Error("expected an aggregator");
    remote.sum.addPacked(new Uint8Array(4));
    const unmask = () => remote.engine.run({ tasks: [] } as unknown as UnmaskWork);
    const outcome = unmask();
    outcome.catch(() => undefined);
    const { group, from } = await received(({ kind }) => kind === "ask");
    for (const kind of ["open", "vector", "finish"]) await received((message) => message.kind === kind);
    await mute.send(from, { group, kind: "lost", bytes: new Uint8Array(0) }, new GroupSeal(SECRET, group));
    await t.rejects(outcome, { name: "GroupLost" });

    clearInterval(telling);
    await t.rejects(unmask(), { name: "GroupLost", message: /is gone/ }, "who is silent is not waited for");
  });

  t.test("an aggregator that is asked for a group has none", async (t) => {
    const origin = "example.org/asking";
    const connection = await connected(t, server);
    const engine = { run: () => Promise.reject(new Error("expected no work")) };
    const options = { connection, origin, name: "one", secret: SECRET, engine, onFault: () => undefined };
    const aggregator = await AggregatorProcess.open(options);
    t.teardown(() => aggregator[Symbol.asyncDispose]());
    const leader = await WorkStream.open(connection, origin, "leader");
    const received = receiving(t, leader);
    await leader.send("one", { group: GROUP, kind: "ask", bytes: new Uint8Array(0) }, SEAL);
    t.match(await received(() => true), { group: GROUP, kind: "lost", from: "one" });
  });

  t.test("rounds go on: without loss before a group is opened, with a lost round at most after", async (t) => {
    const { federation: run, parts, sums } = await aggregated(t, 2, server);
    const connection = await connected(t, server);
    const ended = run.run();
    await run.notice(({ round, state }) => round === 1 && state === "keys");
    await loseStream(connection);
    t.match(await run.notice(({ state }) => state === "closed" || state === "abandoned"), {
      round: 1,
      state: "closed",
    });
    await run.notice(({ round, state }) => round === 2 && state === "masked");
    await loseStream(connection);
    await within(ended, () => `the rounds to end, came ${JSON.stringify(run.notices.slice(-5))}`);
    await Promise.all(parts);
    const all = await sums();
    t.equal(all.length, 2);
    t.match(all[0], { round: 1, members: 8 });
    const total = all.reduce((total, { mean }) => total + mean, 0);
    t.equal((await run.model())[0], Math.fround(total), "who is said to be in a sum is in it");
    t.same((await run.audit()).findings, []);
  });
});
