import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import * as z from "zod";

/** What the heap may grow to before it is collected again, bytes. */
const GROWN_BYTES = 192 * 1024 * 1024;
const MOST_PERCENT = 300;
/** A collection looks at what is in use: it is worth it once there is a third as much garbage. */
const LEAST_PERCENT = 33;

/** A heap with more in use than this belongs to a crowd of devices, whose connections come and go. */
const CROWDED_BYTES = 64 * 1024 * 1024;

/** What Node tells of a collection of the whole heap, not of its young part. */
const majorCollection = z.object({ detail: z.object({ kind: z.literal(constants.NODE_PERFORMANCE_GC_MAJOR) }) });

/** By how many percent a heap of so many bytes in use may grow: to four times a small one, to `GROWN_BYTES`, by a third a large one. */
export function heapGrowthPercent(inUseBytes: number): number {
  const percent = Math.round((100 * GROWN_BYTES) / Math.max(inUseBytes, 1)) - 100;
  return Math.min(MOST_PERCENT, Math.max(LEAST_PERCENT, percent));
}

/** What V8 is told of a heap with so many bytes in use. */
export function heapFlags(inUseBytes: number): readonly string[] {
  return [
    `--heap-growing-percent=${heapGrowthPercent(inUseBytes)}`,
    inUseBytes > CROWDED_BYTES ? "--optimize-for-size" : "--no-optimize-for-size",
  ];
}

/**
 * Lets a heap of some 30 MB grow to four times what was in use after a collection, before it is collected again, and has a
 * large one moved together.
 *
 * The chunks of models and updates lie outside V8's heap of some 30 MB and die young, yet count towards its limit. By default
 * V8 then marks the whole heap several times a round only to find them dead: a fifth of the coordinator's time. With
 * thousands of devices online five times as much is in use, spread over all pages that the heap ever took, most of them half
 * empty: V8 empties a page for good only once seven tenths of it are free, and with `--optimize-for-size` once a fifth is. V8
 * reads both flags anew at each collection.
 */
export function tuneHeap(): void {
  const set = (): void => {
    for (const flag of heapFlags(getHeapStatistics().used_heap_size)) setFlagsFromString(flag);
  };
  set();
  new PerformanceObserver((list) => {
    if (list.getEntries().some((entry) => majorCollection.safeParse(entry).success)) set();
  }).observe({ entryTypes: ["gc"] });
}
