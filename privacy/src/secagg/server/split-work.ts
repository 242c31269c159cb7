import type { UnmaskTask, UnmaskWork } from "./unmask-engine.js";

/** Few enough that threads end together, enough that a batch's pass over the sum is paid for by its masks. */
const BATCHES_PER_THREAD = 4;
const FEWEST_MASKS = 16;
const MOST_MASKS = 256;

/**
 * Splits work into batches of about equally many masks. The pair masks of one member may be spread over several
 * batches, each of which rebuilds and checks its key.
 */
export function splitWork(work: UnmaskWork, threads: number): UnmaskWork[] {
  const total = work.tasks.reduce((sum, task) => sum + masksOf(task), 0);
  const size = Math.min(MOST_MASKS, Math.max(FEWEST_MASKS, Math.ceil(total / (BATCHES_PER_THREAD * threads))));
  const batches: UnmaskTask[][] = [];
  let room = 0;
  for (const task of work.tasks) {
    for (const part of partsOf(task, size)) {
      if (room < masksOf(part)) {
        batches.push([]);
        room = size;
      }
      batches.at(-1)?.push(part);
      room -= masksOf(part);
    }
  }
  return batches.map((tasks) => ({ ...work, tasks }));
}

function masksOf(task: UnmaskTask): number {
  return task.type === "self-mask" ? 1 : task.survivors.length;
}

function partsOf(task: UnmaskTask, size: number): UnmaskTask[] {
  if (task.type === "self-mask" || task.survivors.length <= size) return [task];
  const parts: UnmaskTask[] = [];
  for (let from = 0; from < task.survivors.length; from += size) {
    parts.push({ ...task, survivors: task.survivors.slice(from, from + size) });
  }
  return parts;
}
