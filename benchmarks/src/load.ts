import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ServerProcess } from "@fedloop/coordinator/simulation";
import { stringify } from "yaml";
import type { LoadReport, LoadSettings } from "./load-messages.js";
import { leastIn, quantile, slope } from "./statistics.js";

export interface LoadOptions {
  readonly devices: number;
  readonly minutes: number;
  /** Mean time of a stay, and of an absence, seconds. */
  readonly staySeconds: number;
  readonly seed: number;
  readonly onProgress: (line: string) => void;
}

const PROCESSES = 2;
const SAMPLE_MS = 5_000;
/** Deadlines of a round's collecting steps: a round that has not moved for much longer is stuck. */
const DEADLINE_SECONDS = 60;
const STUCK_MS = 3 * DEADLINE_SECONDS * 1_000;
/** Share of the time after which memory is looked at. */
const WARM_UP = 1 / 3;

interface RoundCount {
  closed: number;
  abandoned: Record<string, number>;
  stuck: number;
}

interface Watched {
  readonly state: string;
  readonly sinceMs: number;
  readonly told: boolean;
}

/** Rounds by what became of them; open ones by when they last moved. */
class RoundWatch {
  readonly counts: Record<string, RoundCount> = {};
  readonly #open = new Map<string, Watched>();

  see(population: string, round: number, state: string, reason: string | null): void {
    const count = this.#count(population);
    const key = `${population} ${round}`;
    if (state === "closed") count.closed += 1;
    if (state === "abandoned") count.abandoned[String(reason)] = (count.abandoned[String(reason)] ?? 0) + 1;
    if (state === "closed" || state === "abandoned") this.#open.delete(key);
    else this.#open.set(key, { state, sinceMs: performance.now(), told: false });
  }

  /** Counts each round once that has not moved for too long. */
  look(tell: (line: string) => void): void {
    for (const [key, watched] of this.#open) {
      if (watched.told || performance.now() - watched.sinceMs < STUCK_MS) continue;
      this.#count(key.split(" ")[0] ?? "").stuck += 1;
      tell(`round ${key} is stuck in ${watched.state}`);
      this.#open.set(key, { ...watched, told: true });
    }
  }

  #count(population: string): RoundCount {
    this.counts[population] ??= { closed: 0, abandoned: {}, stuck: 0 };
    return this.counts[population];
  }
}

/**
 * Thousands of devices that come and go against one coordinator, which is a process of its own: nineteen in twenty of a
 * population without secure aggregation, which only speak the protocol, and one in twenty of one with it, which are whole.
 */
export async function loadBenchmark(options: LoadOptions): Promise<object> {
  const folder = await mkdtemp(join(tmpdir(), "fedloop-load-"));
  const secure = Math.max(Math.floor(options.devices / 20), 1);
  const populations = [
    { population: "load-plain", count: options.devices - secure, secure: false },
    { population: "load-secure", count: secure, secure: true },
  ];
  await writeFiles(folder, populations);
  const rounds = new RoundWatch();
  const loopDelaysMs: number[] = [];
  let isStopping = false;
  const server = new ServerProcess({
    config: join(folder, "fedloop.yaml"),
    onEvent: (event) => {
      if (event.event !== "round" || isStopping) return;
      loopDelaysMs.push(event.loopDelayMs);
      rounds.see(event.population, event.round, event.state, event.reason ?? null);
    },
  });
  const children: ChildProcess[] = [];
  try {
    const { address } = await server.first("listening");
    const total = { entered: 0, returned: 0, left: 0, vanished: 0, accepted: 0 };
    const failures: Record<string, number> = {};
    const checkInMs: number[] = [];
    const online = Array.from({ length: PROCESSES }, () => 0);
    for (let index = 0; index < PROCESSES; index++) {
      const child = fork(new URL("./load-devices.js", import.meta.url));
      children.push(child);
      child.on("message", (report: LoadReport) => {
        for (const name of ["entered", "returned", "left", "vanished", "accepted"] as const)
          total[name] += report[name];
        for (const [code, count] of Object.entries(report.failures)) failures[code] = (failures[code] ?? 0) + count;
        online[index] = report.online;
        for (const ms of report.checkInMs) checkInMs.push(ms);
      });
      const settings: LoadSettings = {
        address,
        seed: options.seed + index,
        meanStayMs: options.staySeconds * 1_000,
        devices: populations.map((it) => ({
          ...it,
          count: Math.floor(it.count / PROCESSES) + (index < it.count % PROCESSES ? 1 : 0),
        })),
      };
      child.send(settings);
    }
    const pid = server.pid ?? 0;
    while (total.entered < options.devices && children.every(({ exitCode }) => exitCode === null)) {
      await pause(SAMPLE_MS);
      options.onProgress(
        `${total.entered} of ${options.devices} devices have entered, failures ${JSON.stringify(failures)}`,
      );
    }
    checkInMs.length = 0;
    const memory: { readonly minute: number; readonly mb: number }[] = [];
    const started = performance.now();
    const processorBefore = processorSeconds(pid);
    for (let minute = 0; minute < options.minutes; minute = (performance.now() - started) / 60_000) {
      await pause(SAMPLE_MS);
      if (children.some(({ exitCode }) => exitCode !== null)) throw new Error("a process with devices has ended");
      memory.push({ minute: (performance.now() - started) / 60_000, mb: residentMb(pid) });
      rounds.look(options.onProgress);
      if (memory.length % 6 === 0) {
        const there = online.reduce((sum, count) => sum + count, 0);
        options.onProgress(
          `minute ${minute.toFixed(1)}: ${there} online, ${memory.at(-1)?.mb} MB, ${JSON.stringify(rounds.counts)}`,
        );
      }
    }
    const seconds = (performance.now() - started) / 1_000;
    const warm = memory.filter(({ minute }) => minute >= options.minutes * WARM_UP);
    const troughs = leastIn(
      warm,
      ({ minute }) => Math.floor(minute),
      ({ mb }) => mb,
    );
    const result = {
      devices: options.devices,
      minutes: seconds / 60,
      flaps: { ...total, aMinute: Math.round((60 * (total.left + total.vanished)) / seconds) },
      memory: {
        afterWarmUpMb: troughs[0]?.mb,
        atEndMb: troughs.at(-1)?.mb,
        peakMb: Math.max(...memory.map(({ mb }) => mb)),
        // Of each minute the least, since what was allocated and is not yet collected comes and goes.
        slopeMbAMinute: round(slope(troughs.map(({ minute, mb }) => [minute, mb]))),
        eachMinuteMb: leastIn(
          memory,
          ({ minute }) => Math.floor(minute),
          ({ mb }) => mb,
        ).map(({ mb }) => mb),
      },
      rounds: rounds.counts,
      checkIn: {
        count: checkInMs.length,
        p50Ms: round(quantile(checkInMs, 0.5)),
        p99Ms: round(quantile(checkInMs, 0.99)),
        longestMs: round(quantile(checkInMs, 1)),
      },
      longestLoopDelayMs: Math.max(0, ...loopDelaysMs),
      coordinatorCores: round((processorSeconds(pid) - processorBefore) / seconds),
      failures,
    };
    isStopping = true;
    return result;
  } finally {
    for (const child of children) child.kill("SIGKILL");
    server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
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
        ? { target: Math.ceil(count / 5), minimum: 5 }
        : { target: Math.ceil(count / 3), minimum: Math.max(Math.ceil(count / 100), 2) },
      deadlines: { selection: `${DEADLINE_SECONDS}s`, report: `${DEADLINE_SECONDS}s` },
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
