import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ArtifactStore, decodeSafetensors, openSqliteStore } from "@fedloop/coordinator";
import { ServerProcess } from "@fedloop/coordinator/simulation";
import type { SecaggCase } from "./secagg.js";
import type { ClientReport, ClientStart } from "./secagg-clients.js";
import { writeServedPlan } from "./served-plan.js";

/** A round under secure aggregation as a coordinator and its devices went through it. */
export interface SecaggOverGrpc {
  /** Wall time of each step, until the last device had answered; `shares` holds the dealing of all devices, and so on. */
  readonly seconds: Readonly<Record<(typeof STATES)[number] | "total", number>>;
  /** Processor time of a device, everything included: requests, signatures, model, masks. Mean. */
  readonly clientCpuMs: number;
  /** Update, keys, shares, signatures: what the bodies of a device's requests of a round add up to. Mean of the survivors. */
  readonly uploadBytesPerClient: number;
  readonly exact: boolean;
  readonly peakServerMb: number;
  /** The longest that one call kept the coordinator's event loop in each step. */
  readonly loopDelayMs: Readonly<Record<(typeof STATES)[number], number>>;
}

const STATES = ["keys", "shares", "masked", "consistency", "unmask", "aggregated", "released"] as const;

const POPULATION = "bench";
/** The first round starts threads and fills caches; the second one is told. */
const ROUNDS = 2;
/** What a client adds to its own coordinate in each round. */
const VALUE = 0.5;

/** The round of a case over gRPC: a coordinator process, the clients in as many processes as there are cores. */
export async function secaggOverGrpc(options: SecaggCase): Promise<SecaggOverGrpc> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-bench-"));
  await writePlan(folder, options);
  const entered = new Map<string, number>();
  const delays = new Map<string, number>();
  let last = "";
  const server = new ServerProcess({
    config: join(folder, "fedloop.yaml"),
    onEvent: (event) => {
      if (event.event !== "round") return;
      if (event.state === "abandoned") throw new Error(`round ${event.round} was abandoned: ${event.reason}`);
      if (event.round !== ROUNDS) return;
      entered.set(event.state, event.timeMs);
      // What is told with a state was measured in the one before.
      delays.set(last, event.loopDelayMs);
      last = event.state;
    },
  });
  const children: ChildProcess[] = [];
  try {
    const { address } = await server.first("listening");
    const reports = await runClients(address, options, children);
    await server.first("finished");
    server.stop();
    const { peakServerMb } = await server.first("stopped");
    const survivors = options.clients - goneOf(options);
    const spent = STATES.map((state, i) => {
      const next = STATES[i + 1] ?? "closed";
      return [state, ((entered.get(next) ?? 0) - (entered.get(state) ?? 0)) / 1_000] as const;
    });
    const late = STATES.map((state) => [state, delays.get(state) ?? 0] as const);
    const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
    return {
      seconds: record([...spent, ["total", ((entered.get("closed") ?? 0) - (entered.get("selecting") ?? 0)) / 1_000]]),
      clientCpuMs: Math.round(sum(reports.map(({ cpuMs }) => cpuMs)) / options.clients / ROUNDS),
      uploadBytesPerClient: Math.round(sum(reports.map(({ uploadBytes }) => uploadBytes)) / survivors / ROUNDS),
      exact: await isExact(folder, options),
      peakServerMb,
      loopDelayMs: record(late),
    };
  } finally {
    server.stop();
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Clients that stop after dealing shares: the first ones. */
function goneOf({ clients, dropout }: SecaggCase): number {
  return Math.round(clients * dropout);
}

async function runClients(address: string, options: SecaggCase, children: ChildProcess[]): Promise<ClientReport[]> {
  const processes = Math.min(availableParallelism(), options.clients);
  return Promise.all(
    Array.from({ length: processes }, async (_, i) => {
      const child = fork(new URL("./secagg-clients.js", import.meta.url));
      children.push(child);
      const clients = Array.from({ length: options.clients }, (_each, client) => client).filter(
        (client) => client % processes === i,
      );
      const start: ClientStart = { address, population: POPULATION, clients, gone: goneOf(options), value: VALUE };
      child.send(start);
      const exited = once(child, "exit").then(() => {
        throw new Error("a process of clients ended early; its output says why");
      });
      exited.catch(() => undefined);
      const [report] = (await Promise.race([once(child, "message"), exited])) as [ClientReport];
      child.disconnect();
      return report;
    }),
  );
}

/** Each survivor has added to a coordinate of its own, and nobody to any other. */
async function isExact(folder: string, options: SecaggCase): Promise<boolean> {
  await using store = await openSqliteStore(join(folder, "data", "fedloop.sqlite"));
  const { sha256 } = await store.db
    .selectFrom("models")
    .select("sha256")
    .orderBy("round", "desc")
    .executeTakeFirstOrThrow();
  const artifacts = await ArtifactStore.open(join(folder, "data", "artifacts"));
  const { parameters } = decodeSafetensors(await artifacts.read(sha256));
  const expected = new Float32Array(options.length);
  const step = Math.fround(VALUE / options.clients);
  for (let client = goneOf(options); client < options.clients; client++) {
    for (let round = 0; round < ROUNDS; round++) expected[client] = (expected[client] ?? 0) + step;
  }
  return parameters.every((value, i) => value === expected[i]);
}

async function writePlan(folder: string, options: SecaggCase): Promise<void> {
  const { clients, length, dropout, bits, graph } = options;
  const reason = "a benchmark of secure aggregation";
  const dropoutFraction = Math.max(0.05, dropout);
  await writeServedPlan(folder, {
    population: POPULATION,
    model: { parameters: length },
    trainer: { id: "trivial" },
    rounds: ROUNDS,
    cohort: { target: clients, minimum: Math.max(3, Math.floor(clients * (1 - dropoutFraction))), overSelection: 1 },
    deadlines: { selection: "10m", report: "10m" },
    privacy: { mechanism: "none", reason, clipNorm: 1, bits },
    secureAggregation: {
      enabled: true,
      graph,
      groupTarget: Math.max(clients, 3),
      corruptFraction: 0.05,
      dropoutFraction,
    },
  });
}

function record<Key extends string>(entries: readonly (readonly [Key, number])[]): Record<Key, number> {
  return Object.fromEntries(entries) as Record<Key, number>;
}
