// Loaded into the coordinator that the load benchmark runs (node --import): once a minute everything that is not in use is
// collected, and what is left is written down. The coordinator lets its heap grow by dozens of megabytes before it collects, so that
// without this its memory goes up and down by as much over minutes. What is resident is read a little later: the collector's threads give
// pages back after it has answered.
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

const EVERY_MS = 60_000;
const SETTLING_MS = 5_000;
const path = process.env.LOAD_MEMORY_FILE;

if (path !== undefined && isMainThread) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const mb = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  const sample = async (): Promise<void> => {
    const timeMs = Date.now();
    const begunMs = performance.now();
    collect();
    const pauseMs = Math.round(performance.now() - begunMs);
    const { heapUsed, external } = process.memoryUsage();
    await pause(SETTLING_MS, undefined, { ref: false });
    const residentMb = mb(process.memoryUsage.rss());
    const line = { timeMs, residentMb, inUseMb: mb(heapUsed + external), outsideMb: mb(external), pauseMs };
    appendFileSync(path, `${JSON.stringify(line)}\n`);
  };
  setInterval(() => void sample(), EVERY_MS).unref();
}
