import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import * as z from "zod";

/** What the heap may grow by before it is collected again, bytes. */
const HEADROOM_BYTES = 128 * 1024 * 1024;
const MOST_PERCENT = 300;
/** V8 itself goes down to this where memory is short. */
const LEAST_PERCENT = 20;

/** What Node tells of a collection of the whole heap, not of its young part. */
const majorCollection = z.object({ detail: z.object({ kind: z.literal(constants.NODE_PERFORMANCE_GC_MAJOR) }) });

/** By how many percent a heap of so many bytes in use may grow: four times a small one, by `HEADROOM_BYTES` a larger one. */
export function heapGrowthPercent(inUseBytes: number): number {
  const percent = Math.round((100 * HEADROOM_BYTES) / Math.max(inUseBytes, 1));
  return Math.min(MOST_PERCENT, Math.max(LEAST_PERCENT, percent));
}

/**
 * Lets the heap of this process grow by some 128 MiB over what was in use after a collection, before it is collected again.
 *
 * The chunks of models and updates lie outside V8's heap of some 30 MB and die young, yet count towards its limit. By default
 * V8 then marks the whole heap several times a round only to find them dead: a fifth of the coordinator's time. With
 * thousands of devices online the heap is ten times as large, and four times that would be garbage for minutes. V8 reads the
 * percentage anew at each collection.
 */
export function letHeapGrow(): void {
  const set = (): void =>
    setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent(getHeapStatistics().used_heap_size)}`);
  set();
  new PerformanceObserver((list) => {
    if (list.getEntries().some((entry) => majorCollection.safeParse(entry).success)) set();
  }).observe({ entryTypes: ["gc"] });
}
