import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerProcess } from "@fedloop/coordinator/simulation";
import { writeServedPlan } from "./served-plan.js";
import { median } from "./statistics.js";

export interface RoundsOptions {
  readonly clients: number;
  /** Parameters of the model. */
  readonly length: number;
  readonly rounds: number;
  /** Bits a coordinate with central noise; undefined for 32-bit floats without. */
  readonly bits: number | undefined;
}

export interface RoundsResult {
  readonly clients: number;
  readonly length: number;
  readonly encoding: string;
  readonly rounds: number;
  /** From the opening of a round to its close: joining, model down, update up, sum, ledger. Median over rounds. */
  readonly secondsPerRound: number;
  readonly secondsEachRound: readonly number[];
  /** Processor time of a round, which other work on the machine does not enter. Medians over rounds. */
  readonly processorMs: { readonly eachClient: number; readonly server: number };
  readonly peakServerMb: number;
  /** Model and update bytes that all clients moved in a round. */
  readonly megabytesPerRound: number;
  /** The arithmetic alone, in this process: adding as many vectors of that length. */
  readonly baselineSumSeconds: number;
  readonly ratioToBaseline: number;
}

const POPULATION = "bench";

/** Whole rounds over gRPC: a coordinator process, each client its own process, client work trivial. */
export async function roundsBenchmark(options: RoundsOptions): Promise<RoundsResult> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-bench-"));
  const starts = new Map<number, { readonly timeMs: number; readonly processorMs: number }>();
  const seconds: number[] = [];
  const serverMs: number[] = [];
  const clientMs: number[] = [];
  const children: ChildProcess[] = [];
  await writePlan(folder, options);
  const server = new ServerProcess({
    config: join(folder, "fedloop.yaml"),
    onEvent: (event) => {
      if (event.event !== "round") return;
      if (event.state === "selecting") starts.set(event.round, event);
      if (event.state === "abandoned") throw new Error(`round ${event.round} was abandoned: ${event.reason}`);
      if (event.state !== "closed") return;
      const start = starts.get(event.round) ?? event;
      seconds.push((event.timeMs - start.timeMs) / 1_000);
      serverMs.push(event.processorMs - start.processorMs);
    },
  });
  try {
    const { address } = await server.first("listening");
    const client = new URL("./rounds-client.js", import.meta.url);
    for (let i = 0; i < options.clients; i++) {
      const child = fork(client, [address, POPULATION], { silent: false });
      child.on("message", (spent) => clientMs.push(Number(spent)));
      children.push(child);
    }
    await Promise.all(children.map((child) => (child.exitCode === null ? once(child, "exit") : undefined)));
    await server.first("finished");
    server.stop();
    const { peakServerMb } = await server.first("stopped");
    const bytes = options.bits === undefined ? 4 : options.bits / 8;
    const secondsPerRound = median(seconds);
    const baselineSumSeconds = sumSeconds(options);
    return {
      clients: options.clients,
      length: options.length,
      encoding: options.bits === undefined ? "float32" : `${options.bits}-bit integers with central noise`,
      rounds: seconds.length,
      secondsPerRound,
      secondsEachRound: seconds,
      processorMs: { eachClient: median(clientMs), server: median(serverMs) },
      peakServerMb,
      megabytesPerRound: (options.clients * options.length * (4 + bytes)) / 1e6,
      baselineSumSeconds,
      ratioToBaseline: secondsPerRound / baselineSumSeconds,
    };
  } finally {
    server.stop();
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function writePlan(folder: string, { clients, length, rounds, bits }: RoundsOptions): Promise<void> {
  const reason = "a benchmark of transport and aggregation";
  await writeServedPlan(folder, {
    population: POPULATION,
    model: { parameters: length },
    trainer: { id: "trivial" },
    rounds,
    cohort: { target: clients, minimum: clients, overSelection: 1 },
    deadlines: { selection: "5m", report: "5m" },
    privacy:
      bits === undefined
        ? { mechanism: "none", reason }
        : { mechanism: "central-discrete-gaussian", clipNorm: 1, noiseMultiplier: 1, bits },
    ...(bits === undefined ? {} : { policy: { epsilon: 1_000, delta: 1e-5 } }),
    secureAggregation: { enabled: false, reason },
  });
}

function sumSeconds({ clients, length }: RoundsOptions): number {
  const sum = new Float64Array(length);
  const update = new Float32Array(length).fill(1e-4);
  const started = performance.now();
  for (let client = 0; client < clients; client++) {
    for (let i = 0; i < length; i++) sum[i] = (sum[i] ?? 0) + (update[i] ?? 0);
  }
  return (performance.now() - started) / 1_000;
}
