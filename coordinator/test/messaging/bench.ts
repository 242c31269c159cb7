// What a leader pays for one update of a plain round: to add it up, against to pass it on to an aggregator. Processor time.
//   node coordinator/dist/test/messaging/bench.js [COORDINATES] [UPDATES]
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { inlineUnmaskEngine } from "@fedloop/privacy/secagg";
import { nodeUnmaskCrypto } from "@fedloop/privacy/secagg/node";
import { connect } from "@nats-io/transport-node";
import { AggregatorProcess } from "../../src/messaging/aggregator-process.js";
import { Aggregators } from "../../src/messaging/aggregators.js";
import { type UpdateFormat, UpdateSum, updateBytes } from "../../src/rounds/aggregator.js";
import { ORIGIN } from "../server/federation.js";
import { NatsServer } from "./nats-server.js";

const [length = 1_000_000, updates = 20] = process.argv.slice(2).map(Number);
const quantisation = { granularity: 1, bits: 20, integerNormBound: 2 ** 40 };

async function processorMs(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return Math.round((user + system) / updates / 10) / 100;
}

function adding(encoding: UpdateFormat["encoding"]): () => Promise<void> {
  const format: UpdateFormat = { length, encoding, quantisation: quantisation as UpdateFormat["quantisation"] };
  const bytes = Buffer.alloc(updateBytes(format), 1);
  return async () => {
    const sum = new UpdateSum(format);
    for (let i = 0; i < updates; i++) sum.add(bytes);
  };
}

// The aggregator is a process of its own where this script starts itself once more.
const serving = process.env.FEDLOOP_BENCH_NATS;
if (serving !== undefined) {
  const connection = await connect({ servers: serving });
  const secret = new Uint8Array(32);
  const engine = inlineUnmaskEngine(nodeUnmaskCrypto());
  await AggregatorProcess.open({ connection, origin: ORIGIN, name: "bench", secret, engine, onFault: () => undefined });
  process.send?.("ready");
} else {
  const { fork } = await import("node:child_process");
  const server = await NatsServer.start();
  const aggregator = fork(process.argv[1] ?? "", { env: { ...process.env, FEDLOOP_BENCH_NATS: server.url } });
  await new Promise((resolve) => aggregator.once("message", resolve));
  const connection = await connect({ servers: server.url });
  const aggregators = await Aggregators.open({
    connection,
    origin: ORIGIN,
    secret: new Uint8Array(32),
    onFault: () => undefined,
  });
  const passingOn = async (bits: number): Promise<void> => {
    // It says that it is there while this process adds, and is heard afterwards.
    while (aggregators.present().length === 0) await wait(10);
    const group = aggregators.assign({ length, bits });
    if (group === undefined) throw new Error("expected an aggregator");
    const packed = randomBytes(Math.ceil((length * bits) / 8));
    for (let i = 0; i < updates; i++) {
      group.sum.addPacked(packed);
      await connection.flush();
    }
    group.sum.close();
  };
  for (const round of ["warm", "measured"]) {
    const costs = {
      length,
      updates,
      addFloatsMs: await processorMs(adding("float32")),
      addIntegersMs: await processorMs(adding("quantised")),
      passOnFloatsMs: await processorMs(() => passingOn(32)),
      passOnIntegersMs: await processorMs(() => passingOn(20)),
    };
    if (round === "measured") process.stdout.write(`${JSON.stringify(costs)}\n`);
  }
  aggregator.kill();
  await aggregators[Symbol.asyncDispose]();
  await connection.close();
  await server.close();
}
