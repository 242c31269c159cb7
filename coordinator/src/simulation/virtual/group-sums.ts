import type { UpdateFormat } from "../../rounds/aggregator.js";
import type { Course } from "./course.js";
import type { DeviceThreads } from "./device-threads.js";
import type { AnsweredSteps } from "./masked-group.js";
import type { Masks } from "./masks.js";
import type { GroupTask, RoundTask } from "./messages.js";

/**
 * What unmasking gives: a group's sum as the protocol has worked it out, or without masks. They cancel in each group's sum modulo
 * 2^bits, so that it is that of the integers which devices would have masked, to the last bit.
 */
export class GroupSums {
  readonly #format: UpdateFormat;
  readonly #sums: readonly Float64Array[];
  readonly #lost = new Set<number>();
  readonly #groupOf = new Map<number, number>();

  constructor(groups: readonly (readonly number[])[], format: UpdateFormat) {
    this.#format = format;
    this.#sums = groups.map(() => new Float64Array(format.length));
    for (const [group, devices] of groups.entries()) for (const device of devices) this.#groupOf.set(device, group);
  }

  add(device: number, integers: Int32Array): void {
    const sum = this.#sums[this.#groupOf.get(device) ?? -1];
    if (sum === undefined) return;
    for (let i = 0; i < integers.length; i++) sum[i] = (sum[i] ?? 0) + (integers[i] ?? 0);
  }

  /** Takes the place of a group's sum; null for one that is lost. */
  put(group: number, sum: Int32Array | null): void {
    if (sum === null) this.#lost.add(group);
    else this.#sums[group]?.set(sum);
  }

  /** Whether a group has a sum. */
  has(group: number): boolean {
    return !this.#lost.has(group);
  }

  /** Each group's sum, centred around 0. */
  groups(): readonly Float64Array[] {
    const modulus = 2 ** this.#format.quantisation.bits;
    return this.#sums
      .filter((_, group) => this.has(group))
      .map((sum) => sum.map((value) => value - modulus * Math.round(value / modulus)));
  }

  /** Σ over the groups. */
  total(): Float64Array {
    const total = new Float64Array(this.#format.length);
    for (const sum of this.groups()) for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (sum[i] ?? 0);
    return total;
  }
}

/** What is collected, and how. */
export interface SecureCollection {
  readonly task: RoundTask;
  readonly course: Course;
  readonly format: UpdateFormat;
  readonly masks: Masks | null;
}

/**
 * Trains a round's devices and sums what they would mask, or have masked.
 *
 * @returns the sums, and how many devices had nothing finite to send
 * @throws CoordinatorError ROUND_FAILED, CANCELLED
 */
export async function collectSecurely(
  threads: DeviceThreads,
  { task, course, format, masks }: SecureCollection,
): Promise<{ readonly sums: GroupSums; readonly refused: number }> {
  const sums = new GroupSums(course.groups, format);
  let refused = 0;
  if (masks === "full") {
    // As many groups at a time as are summed at a time: their vectors are all that is held.
    for (let first = 0; first < course.groups.length; first += threads.count) {
      const groups = course.groups.slice(first, first + threads.count);
      const vectors = new Map<number, Int32Array>();
      await threads.train(task, groups.flat(), (device, update) => {
        if (update instanceof Int32Array) vectors.set(device, update);
        else refused += 1;
      });
      const tasks = groups.map((_, at) => groupTask(task, course, first + at, vectors));
      for (const [at, sum] of (await threads.sumMasked(tasks)).entries()) sums.put(first + at, sum);
    }
    return { sums, refused };
  }
  await threads.train(task, course.groups.flat(), (device, update) => {
    if (update instanceof Int32Array) sums.add(device, update);
    else refused += 1;
  });
  return { sums, refused };
}

/** A device that has nothing to send is gone from the step at which it would. */
function groupTask(
  { body, leafHash }: RoundTask,
  { groups, answered }: Course,
  group: number,
  vectors: ReadonlyMap<number, Int32Array>,
): GroupTask {
  const steps = answered[group];
  if (steps === undefined) throw new Error(`expected who answered in group ${group}`);
  const sending = (devices: readonly number[]): readonly number[] => devices.filter((device) => vectors.has(device));
  const own = (groups[group] ?? []).flatMap((device) => {
    const vector = vectors.get(device);
    return vector === undefined ? [] : [[device, vector] as const];
  });
  const sent: AnsweredSteps = {
    ...steps,
    masked: sending(steps.masked),
    consistency: sending(steps.consistency),
    unmask: sending(steps.unmask),
  };
  return { body, leafHash, group, answered: sent, vectors: new Map(own) };
}
