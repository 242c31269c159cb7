/** How fast events go into a device's log, whether any is lost, and what a withdrawal takes. */
import { createSocket, Socket as DatagramSocket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "@fedloop/client-runtime/node";
import { Capture, defineEvents, purposeGate, SettableConsent } from "@fedloop/feedback";
import * as z from "zod/mini";

/** One case. */
export interface CaptureCase {
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

const PURPOSE = "mastery";
const TICK_MS = 10;

const registry = defineEvents({
  purposes: [PURPOSE],
  events: {
    "answer.given": {
      purpose: PURPOSE,
      retentionDays: 90,
      fields: {
        number: { schema: z.int(), purpose: PURPOSE },
        skill: { schema: z.string().check(z.maxLength(32)), purpose: PURPOSE },
        correct: { schema: z.boolean(), purpose: PURPOSE, egress: "aggregate" },
      },
    },
  },
});

/** Counts what sockets of this process connect to or send, until `stop`. */
function watchSockets(): { readonly connections: () => number; readonly stop: () => void } {
  let connections = 0;
  const connect = Socket.prototype.connect;
  const send = DatagramSocket.prototype.send;
  Socket.prototype.connect = function counted(this: Socket, ...given: unknown[]) {
    connections += 1;
    return Reflect.apply(connect, this, given);
  };
  DatagramSocket.prototype.send = function counted(this: DatagramSocket, ...given: unknown[]) {
    connections += 1;
    return Reflect.apply(send, this, given);
  };
  return {
    connections: () => connections,
    stop: () => {
      Socket.prototype.connect = connect;
      DatagramSocket.prototype.send = send;
    },
  };
}

/** Whether the watch sees a datagram: a watch that sees nothing proves nothing. */
async function watchSees(connections: () => number): Promise<boolean> {
  const before = connections();
  const socket = createSocket("udp4");
  await new Promise((resolve) => socket.send("x", 9, "127.0.0.1", resolve));
  socket.close();
  return connections() > before;
}

/** Records at a steady rate into files, reads back what a next run of the app finds, and withdraws. */
export async function captureBenchmark({ eventsPerSecond, seconds }: CaptureCase): Promise<object> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-capture-"));
  const sockets = watchSockets();
  if (!(await watchSees(sockets.connections))) throw new Error("expected the watch to see a datagram; it saw none");
  const connectionsBefore = sockets.connections();
  try {
    const total = eventsPerSecond * seconds;
    const consent = new SettableConsent([PURPOSE]);
    const gate = purposeGate(consent, { globalPrivacyControl: () => false });
    const open = async () => Capture.open({ registry, store: fileStore(folder), gate, capacity: total });
    const capture = await open();
    const latenciesMs = new Float64Array(total);
    const cpuBefore = process.cpuUsage();
    const startMs = performance.now();
    for (let number = 0; number < total; ) {
      const due = Math.min(total, Math.ceil(((performance.now() - startMs) / 1_000) * eventsPerSecond));
      for (; number < due; number++) {
        const beforeMs = performance.now();
        capture.record("answer.given", { number, skill: "adding fractions", correct: number % 3 > 0 });
        latenciesMs[number] = performance.now() - beforeMs;
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    const recordedSeconds = (performance.now() - startMs) / 1_000;
    const { dropped } = capture.count(PURPOSE);
    await capture.close();
    const { user, system } = process.cpuUsage(cpuBefore);

    const next = await open();
    let found = 0;
    for await (const { sequence, fields } of next.read(PURPOSE)) {
      if (sequence === found && fields.number === found) found += 1;
    }
    const withdrawnMs = performance.now();
    consent.set(PURPOSE, "refused");
    await next.deleted();
    const deletedMs = performance.now() - withdrawnMs;
    await next.close();
    latenciesMs.sort();
    const quantile = (part: number): number => rounded(latenciesMs[Math.floor(part * (total - 1))] ?? Number.NaN);
    return {
      eventsPerSecond: Math.round(total / recordedSeconds),
      seconds: rounded(recordedSeconds),
      events: total,
      lost: total - found,
      dropped,
      enqueueP50Ms: quantile(0.5),
      enqueueP99Ms: quantile(0.99),
      enqueueP999Ms: quantile(0.999),
      enqueueMaxMs: quantile(1),
      processorSeconds: rounded((user + system) / 1e6),
      connectionsMade: sockets.connections() - connectionsBefore,
      deletedAfterWithdrawalMs: rounded(deletedMs),
    };
  } finally {
    sockets.stop();
    await rm(folder, { recursive: true });
  }
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
