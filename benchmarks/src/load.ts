import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ServerProcess } from "@fedloop/coordinator/simulation";
import { stringify } from "yaml";
import type { LoadReport, LoadSettings } from "./load-messages.js";
import { type RoundCounts, RoundWatch } from "./load-rounds.js";
import { type MemoryCourse, type MemorySample, memoryCourse, problemsOf } from "./load-verdict.js";
import { quantile } from "./statistics.js";

export interface LoadOptions {
  readonly devices: number;
  readonly minutes: number;
  /** Mean time of a stay, and of an absence, seconds. */
  readonly staySeconds: number;
  readonly seed: number;
  readonly onProgress: (line: string) => void;
}

export interface LoadResult {
  readonly devices: { readonly asked: number; readonly seen: number };
  readonly memory: MemoryCourse;
  readonly rounds: Readonly<Record<string, RoundCounts>>;
  /** What failed; empty where nothing did. */
  readonly problems: readonly string[];
}

const PROCESSES = 2;
const SAMPLE_MS = 5_000;
/** Deadlines of a round's collecting steps: a round that has not moved for much longer is stuck. */
const DEADLINE_SECONDS = 60;
/**
 * For each of the five steps of secure aggregation, which all wait for those that fall silent: a group bears the loss of a third, and
 * of devices that stay two minutes on average a third is gone after 48 seconds.
 */
const SECURE_STEP_SECONDS = 6;
const STUCK_MS = 3 * DEADLINE_SECONDS * 1_000;
/**
 * Thousands of devices that come and go against one coordinator, which is a process of its own: nineteen in twenty of a
 * population without secure aggregation, which only speak the protocol, and one in twenty of one with it, which are whole.
 */
export async function loadBenchmark(options: LoadOptions): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-load-"));
  const secure = Math.max(Math.floor(options.devices / 20), 1);
  const populations = [
    { population: "load-plain", count: options.devices - secure, secure: false },
    { population: "load-secure", count: secure, secure: true },
  ];
  await writeFiles(folder, populations);
  const rounds = new RoundWatch(
    populations.map(({ population }) => population),
    STUCK_MS,
  );
  const loopDelaysMs: number[] = [];
  let isStopping = false;
  const memoryFile = join(folder, "memory.jsonl");
  const server = new ServerProcess({
    config: join(folder, "fedloop.yaml"),
    execArgv: ["--import", new URL("./load-probe.js", import.meta.url).href],
    env: { LOAD_MEMORY_FILE: memoryFile },
    onEvent: (event) => {
      if (isStopping) return;
      if (event.event === "paused") rounds.paused(event.population);
      if (event.event !== "round") return;
      loopDelaysMs.push(event.loopDelayMs);
      rounds.see(event.population, event.round, event.state, event.reason ?? null);
    },
  });
  const crowd = new Crowd(options, populations);
  try {
    const { address } = await server.first("listening");
    const begun = performance.now();
    crowd.start(address);
    while (crowd.total.entered < options.devices) {
      await pause(SAMPLE_MS);
      crowd.requireAlive();
      server.requireRunning();
      const failures = JSON.stringify(crowd.failures);
      options.onProgress(`${crowd.total.entered} of ${options.devices} devices have entered, failures ${failures}`);
    }
    const enteringSeconds = (performance.now() - begun) / 1_000;
    crowd.forgetSoFar();
    loopDelaysMs.length = 0;
    const pid = server.pid ?? 0;
    let samples = 0;
    const started = performance.now();
    const startedMs = Date.now();
    const processorBefore = processorSeconds(pid);
    for (let minute = 0; minute < options.minutes; ) {
      await pause(SAMPLE_MS);
      crowd.requireAlive();
      server.requireRunning();
      minute = (performance.now() - started) / 60_000;
      rounds.look(options.onProgress);
      if (++samples % 6 === 0) {
        const mb = residentMb(pid);
        const p99 = rounded(quantile(crowd.checkInMs, 0.99));
        options.onProgress(
          `minute ${minute.toFixed(1)}: ${crowd.online} online, ${mb} MB, ${crowd.checkInMs.length} check-ins, ` +
            `p99 ${p99} ms, ${JSON.stringify(rounds.counts())}`,
        );
      }
    }
    const seconds = (performance.now() - started) / 1_000;
    const { total, failures, checkInMs } = crowd;
    const result = {
      devices: { asked: options.devices, seen: crowd.seen },
      enteringSeconds: rounded(enteringSeconds),
      minutes: rounded(seconds / 60),
      flaps: { ...total, aMinute: Math.round((60 * (total.left + total.vanished)) / seconds) },
      checkIn: {
        count: checkInMs.length,
        p50Ms: rounded(quantile(checkInMs, 0.5)),
        p95Ms: rounded(quantile(checkInMs, 0.95)),
        p99Ms: rounded(quantile(checkInMs, 0.99)),
        longestMs: rounded(quantile(checkInMs, 1)),
      },
      memory: memoryCourse(memorySamples(memoryFile, startedMs), options.minutes),
      rounds: rounds.counts(),
      longestLoopDelayMs: Math.max(0, ...loopDelaysMs),
      coordinatorCores: rounded((processorSeconds(pid) - processorBefore) / seconds),
      failures,
    };
    isStopping = true;
    return { ...result, problems: problemsOf(result) };
  } finally {
    crowd.stop();
    server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
  }
}

/** The processes that hold the devices, and what they have told. */
class Crowd {
  readonly total = { entered: 0, returned: 0, left: 0, vanished: 0, accepted: 0 };
  readonly failures: Record<string, number> = {};
  readonly checkInMs: number[] = [];
  seen = 0;
  readonly #options: LoadOptions;
  readonly #populations: LoadSettings["devices"];
  readonly #online = Array.from({ length: PROCESSES }, () => 0);
  readonly #children: ChildProcess[] = [];

  constructor(options: LoadOptions, populations: LoadSettings["devices"]) {
    this.#options = options;
    this.#populations = populations;
  }

  get online(): number {
    return this.#online.reduce((sum, count) => sum + count, 0);
  }

  start(address: string): void {
    for (let index = 0; index < PROCESSES; index++) {
      const child = fork(new URL("./load-devices.js", import.meta.url));
      this.#children.push(child);
      child.on("message", (report: LoadReport) => this.#take(index, report));
      const settings: LoadSettings = {
        address,
        seed: this.#options.seed + index,
        meanStayMs: this.#options.staySeconds * 1_000,
        devices: this.#populations.map((it) => ({
          ...it,
          count: Math.floor(it.count / PROCESSES) + (index < it.count % PROCESSES ? 1 : 0),
        })),
      };
      child.send(settings);
    }
  }

  /** What was counted until all have entered is not part of the run. */
  forgetSoFar(): void {
    this.checkInMs.length = 0;
    for (const code of Object.keys(this.failures)) delete this.failures[code];
    Object.assign(this.total, { ...this.total, returned: 0, left: 0, vanished: 0, accepted: 0 });
  }

  requireAlive(): void {
    if (this.#children.some(({ exitCode }) => exitCode !== null)) throw new Error("a process with devices has ended");
  }

  stop(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #take(index: number, report: LoadReport): void {
    for (const name of ["entered", "returned", "left", "vanished", "accepted"] as const) {
      this.total[name] += report[name];
    }
    this.seen += report.seen;
    for (const [code, count] of Object.entries(report.failures)) {
      this.failures[code] = (this.failures[code] ?? 0) + count;
    }
    this.#online[index] = report.online;
    for (const ms of report.checkInMs) this.checkInMs.push(ms);
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** What the probe in the coordinator has written since then. */
function memorySamples(path: string, sinceMs: number): MemorySample[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  return lines
    .map((line): Omit<MemorySample, "minute"> & { readonly timeMs: number } => JSON.parse(line))
    .filter(({ timeMs }) => timeMs >= sinceMs)
    .map(({ timeMs, ...sample }) => ({ minute: (timeMs - sinceMs) / 60_000, ...sample }));
}

/** Resident memory of a process, from Linux's /proc. */
function residentMb(pid: number): number {
  const [, kilobytes = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kilobytes) / 102.4) / 10;
}

/** Processor time of a process so far: fields 14 and 15 of /proc/PID/stat, in hundredths of a second. */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function writeFiles(
  folder: string,
  populations: readonly { readonly population: string; readonly count: number; readonly secure: boolean }[],
): Promise<void> {
  const reason = "a benchmark of load";
  for (const { population, secure, count } of populations) {
    const plan = {
      population,
      controller: "Benchmark",
      purpose: "load",
      notice: { file: "notice.md" },
      language: "en",
      dataCategories: ["none"],
      model: { parameters: 1_000 },
      trainer: { id: "trivial" },
      rounds: 10_000,
      cohort: secure
        ? { target: Math.max(Math.ceil(count / 12), 5), minimum: 5 }
        : { target: Math.ceil(count / 3), minimum: Math.max(Math.ceil(count / 100), 2) },
      deadlines: { selection: `${DEADLINE_SECONDS}s`, report: `${secure ? SECURE_STEP_SECONDS : DEADLINE_SECONDS}s` },
      privacy: { mechanism: "none", reason, ...(secure ? { clipNorm: 1 } : {}) },
      secureAggregation: secure ? { enabled: true } : { enabled: false, reason },
    };
    await writeFile(join(folder, `${population}.yaml`), stringify(plan));
  }
  const config = {
    origin: "fedloop.local/load",
    dataDir: "data",
    listen: { host: "127.0.0.1", port: 0 },
    plans: populations.map(({ population }) => `${population}.yaml`),
    log: { level: "error" },
  };
  await writeFile(join(folder, "notice.md"), "A benchmark. No personal data.\n");
  await writeFile(join(folder, "fedloop.yaml"), stringify(config));
}
