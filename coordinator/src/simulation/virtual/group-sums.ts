import type { UpdateFormat } from "../../rounds/aggregator.js";

/**
 * What unmasking gives, without masks: they cancel in each group's sum modulo 2^bits, so that the sum is that of the integers which
 * devices would have masked, to the last bit.
 */
export class GroupSums {
  readonly #format: UpdateFormat;
  readonly #sums: readonly Float64Array[];
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

  /** Each group's sum, centred around 0. */
  groups(): readonly Float64Array[] {
    const modulus = 2 ** this.#format.quantisation.bits;
    return this.#sums.map((sum) => sum.map((value) => value - modulus * Math.round(value / modulus)));
  }

  /** Σ over the groups. */
  total(): Float64Array {
    const total = new Float64Array(this.#format.length);
    for (const sum of this.groups()) for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (sum[i] ?? 0);
    return total;
  }
}
