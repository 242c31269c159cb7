// Loaded into the coordinator that the load benchmark runs (node --import): once a minute everything that is not in use is
// collected, and what is left is written down, with what was resident over the minute before. The coordinator lets its heap grow by dozens
// of megabytes before it collects, and takes back pages now sooner, now later: a single reading of what is resident is off by 20 MB.
import { appendFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";
import { median } from "./statistics.js";

const EVERY_MS = 60_000;
const READING_MS = 1_000;
const path = process.env.LOAD_MEMORY_FILE;

if (path !== undefined && isMainThread) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const mb = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  let readings: number[] = [];
  const sample = (): void => {
    const timeMs = Date.now();
    const begunMs = performance.now();
    collect();
    const pauseMs = Math.round(performance.now() - begunMs);
    const { heapUsed, external } = process.memoryUsage();
    const residentMb = mb(median(readings));
    readings = [];
    const line = { timeMs, residentMb, inUseMb: mb(heapUsed + external), outsideMb: mb(external), pauseMs };
    appendFileSync(path, `${JSON.stringify(line)}\n`);
  };
  setInterval(() => readings.push(process.memoryUsage.rss()), READING_MS).unref();
  setInterval(sample, EVERY_MS).unref();
}
