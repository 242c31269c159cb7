// What one device, one join, one megabyte, one entry costs the processes of a coordinator: the numbers of docs/scaling.md.
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { committedTransactions } from "@fedloop/coordinator";
import { ServerProcess } from "@fedloop/coordinator/simulation";
import { stringify } from "yaml";
import { LightDevice } from "./light-device.js";
import { median } from "./statistics.js";

export interface ScalingOptions {
  readonly devices: number;
  readonly rounds: number;
  /** A PostgreSQL database of the benchmark's own, empty; undefined for SQLite. */
  readonly postgres: string | undefined;
}

export interface ScalingResult {
  readonly store: "sqlite" | "postgres";
  readonly devices: number;
  /** The coordinator's processor time for one enrolment and consent: two calls, one signed entry in the log. */
  readonly processorMsAnEnrolment: number;
  /** For one device in one round: Watch event, check-in, join, update of 4 kB, its share of the round's work. */
  readonly processorMsAPlace: number;
  readonly entries: number;
  /** Database transactions, where the store counts them. */
  readonly transactionsAnEnrolment: number | null;
  readonly transactionsARound: number | null;
}

const POPULATION = "scaling";

/** Connections of the benchmark: devices share them as a balancer's would. */
const CONNECTIONS = 16;

/** Enrols devices, then has all of them take part in each round. */
export async function scalingBenchmark({ devices, rounds, postgres }: ScalingOptions): Promise<ScalingResult> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-scaling-"));
  await writeFiles(folder, devices, rounds, postgres);
  const spentMs: number[] = [];
  let openedMs = 0;
  let begun: (() => void) | undefined;
  const firstRound = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const server = new ServerProcess({
    config: join(folder, "fedloop.yaml"),
    onEvent: (event) => {
      if (event.event !== "round") return;
      if (event.state === "selecting") {
        openedMs = event.processorMs;
        begun?.();
      }
      if (event.state === "closed") spentMs.push(event.processorMs - openedMs);
    },
  });
  const stop = new AbortController();
  const transports: ReturnType<typeof grpcTransport>[] = [];
  try {
    const { address } = await server.first("listening");
    for (let i = 0; i < CONNECTIONS; i++) transports.push(grpcTransport({ address }));
    const pid = server.pid ?? 0;
    const all = Array.from({ length: devices }, () => new LightDevice(POPULATION, () => 0));
    const transactions = async (): Promise<number | null> =>
      postgres === undefined ? null : committedTransactions(postgres);
    const before = { processorMs: processorMs(pid), transactions: await transactions() };
    // The last one is held back: with it the first round would begin before the enrolments are counted.
    const enter = async (device: LightDevice, i: number): Promise<void> => {
      const transport = transports[i % CONNECTIONS];
      if (transport !== undefined) await device.enter(transport);
    };
    for (let start = 0; start < devices - 1; start += 64) {
      await Promise.all(
        all.slice(start, Math.min(start + 64, devices - 1)).map((device, i) => enter(device, start + i)),
      );
    }
    const entered = { processorMs: processorMs(pid), transactions: await transactions() };
    const staying = all.map((device, i) => {
      const transport = transports[i % CONNECTIONS];
      if (transport === undefined) return undefined;
      const ready = i === devices - 1 ? enter(device, i) : Promise.resolve();
      return ready
        .then(() =>
          device.stay(transport, stop.signal, () => true, { accepted: () => undefined, refused: () => undefined }),
        )
        .catch(() => undefined);
    });
    await firstRound;
    const began = await transactions();
    await server.first("finished");
    const ended = await transactions();
    stop.abort();
    await Promise.all(staying);
    const perRound = began === null || ended === null ? null : (ended - began) / rounds;
    const enrolled = devices - 1;
    return {
      store: postgres === undefined ? "sqlite" : "postgres",
      devices,
      processorMsAnEnrolment: rounded((entered.processorMs - before.processorMs) / enrolled),
      processorMsAPlace: rounded(median(spentMs) / devices),
      entries: devices + 1 + 4 * rounds,
      transactionsAnEnrolment:
        before.transactions === null || entered.transactions === null
          ? null
          : rounded((entered.transactions - before.transactions) / enrolled),
      transactionsARound: perRound === null ? null : rounded(perRound),
    };
  } finally {
    stop.abort();
    server.stop();
    for (const transport of transports) transport.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Processor time of a process so far: fields 14 and 15 of /proc/PID/stat, in hundredths of a second. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

async function writeFiles(
  folder: string,
  devices: number,
  rounds: number,
  postgres: string | undefined,
): Promise<void> {
  const reason = "a benchmark of unit costs";
  const plan = {
    population: POPULATION,
    controller: "Benchmark",
    purpose: "load",
    notice: { file: "notice.md" },
    language: "en",
    dataCategories: ["none"],
    model: { parameters: 1_000 },
    trainer: { id: "trivial" },
    rounds,
    cohort: { target: devices, minimum: devices, overSelection: 1 },
    deadlines: { selection: "5m", report: "5m" },
    privacy: { mechanism: "none", reason },
    secureAggregation: { enabled: false, reason },
  };
  const config = {
    origin: "fedloop.local/scaling",
    dataDir: "data",
    listen: { host: "127.0.0.1", port: 0 },
    plans: ["plan.yaml"],
    ...(postgres === undefined ? {} : { store: { postgres: { urlFile: "postgres-url" } } }),
    log: { level: "error" },
  };
  if (postgres !== undefined) await writeFile(join(folder, "postgres-url"), postgres, { mode: 0o600 });
  await writeFile(join(folder, "notice.md"), "A benchmark. No personal data.\n");
  await writeFile(join(folder, "plan.yaml"), stringify(plan));
  await writeFile(join(folder, "fedloop.yaml"), stringify(config));
}
