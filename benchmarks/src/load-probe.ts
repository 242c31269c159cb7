// Loaded into the coordinator that the load benchmark runs (node --import): once a minute everything that is not in use is
// collected, and what is left is written down. The coordinator lets its heap grow to four times what is in use before it collects,
// so that without this its memory goes up and down by hundreds of megabytes over minutes.
import { appendFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

const EVERY_MS = 60_000;
const path = process.env.LOAD_MEMORY_FILE;

if (path !== undefined && isMainThread) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  setInterval(() => {
    const begunMs = performance.now();
    collect();
    const pauseMs = Math.round(performance.now() - begunMs);
    const { heapUsed, external, rss } = process.memoryUsage();
    const mb = (bytes: number): number => Math.round(bytes / 1e5) / 10;
    const sample = { timeMs: Date.now(), residentMb: mb(rss), inUseMb: mb(heapUsed + external), pauseMs };
    appendFileSync(path, `${JSON.stringify(sample)}\n`);
  }, EVERY_MS).unref();
}
