import { integerNormSquared, type Quantisation, unpackSigned } from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";

/** How the plan says updates travel. */
export interface UpdateFormat {
  /** Coordinates. */
  readonly length: number;
  readonly encoding: "quantised" | "float32";
  /** With encoding "quantised". */
  readonly quantisation: Quantisation;
}

/** What the cohort's updates add up to. */
export interface CollectedSum {
  /** Length `format.length`; the array is the sum itself. */
  readonly values: Float64Array;
}

/** What the coordinator keeps of a training round's updates, by what the plan's strategy needs to see. */
export type Collected = CollectedSum | CollectedGroups | CollectedUpdates;

/** Σ over each group of secure aggregation. */
export interface CollectedGroups {
  readonly groups: readonly Float64Array[];
}

/** Each update, in memory only. */
export interface CollectedUpdates {
  readonly updates: readonly Float32Array[];
}

/** Bytes of one update on the wire. */
export function updateBytes(format: UpdateFormat): number {
  return format.encoding === "float32" ? 4 * format.length : Math.ceil((format.length * format.quantisation.bits) / 8);
}

/**
 * Adds updates as they arrive and keeps nothing but their sum: memory is O(model), not O(model × cohort). The norm
 * bound is what the noise is calibrated to, so it is checked here, on the exact integers, and not taken on trust.
 */
export class UpdateSum implements CollectedSum {
  readonly #format: UpdateFormat;
  readonly #sum: Float64Array;
  #count = 0;

  constructor(format: UpdateFormat) {
    this.#format = format;
    this.#sum = new Float64Array(format.length);
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Σ so far: integers in units of the granularity with encoding "quantised" (exact, since each update is below 2³²
   * and 2²¹ updates stay below 2⁵³), plain values otherwise. Length `format.length`; the array is the sum itself.
   */
  get values(): Float64Array {
    return this.#sum;
  }

  /**
   * @throws CoordinatorError WRONG_LENGTH, NORM_EXCEEDED, NON_FINITE; the sum is then as it was
   */
  add(bytes: Uint8Array): void {
    requireLength(bytes, this.#format);
    if (this.#format.encoding === "float32") this.#addFloats(bytes);
    else this.#addIntegers(bytes);
    this.#count += 1;
  }

  #addIntegers(bytes: Uint8Array): void {
    const { length, quantisation } = this.#format;
    const values = unpackSigned(bytes, length, quantisation.bits);
    const bound = quantisation.integerNormBound;
    if (integerNormSquared(values) > bound * bound) {
      throw new CoordinatorError(
        "NORM_EXCEEDED",
        `expected an update with an L2 norm of at most ${bound} units, came a longer one; clip before encoding`,
      );
    }
    const sum = this.#sum;
    for (let i = 0; i < length; i++) sum[i] = (sum[i] ?? 0) + (values[i] ?? 0);
  }

  #addFloats(bytes: Uint8Array): void {
    const values = finiteFloats(bytes);
    const sum = this.#sum;
    for (let i = 0; i < values.length; i++) sum[i] = (sum[i] ?? 0) + (values[i] ?? 0);
  }
}

/**
 * Keeps each update, for strategies that compare them. Memory is O(model × cohort): the plan was refused if that exceeds
 * `MOST_UPDATE_BYTES`. They are plain floats, since without a mechanism and without secure aggregation nothing is quantised.
 */
export class UpdateCollection implements CollectedUpdates {
  readonly updates: Float32Array[] = [];
  readonly #format: UpdateFormat;

  constructor(format: UpdateFormat) {
    if (format.encoding !== "float32") {
      throw new CoordinatorError("INTERNAL", "expected plain floats where each update is looked at");
    }
    this.#format = format;
  }

  /** @throws CoordinatorError WRONG_LENGTH, NON_FINITE; the collection is then as it was */
  add(bytes: Uint8Array): void {
    requireLength(bytes, this.#format);
    // A copy: the bytes are the caller's own again when this returns.
    this.updates.push(Float32Array.from(finiteFloats(bytes)));
  }
}

function requireLength(bytes: Uint8Array, format: UpdateFormat): void {
  const expected = updateBytes(format);
  if (bytes.length === expected) return;
  throw new CoordinatorError(
    "WRONG_LENGTH",
    `expected an update of ${expected} bytes, came ${bytes.length}; encode it as the plan's update section says`,
  );
}

/** @throws CoordinatorError NON_FINITE */
function finiteFloats(bytes: Uint8Array): Float32Array {
  const values = floats(bytes);
  if (allFinite(values)) return values;
  throw new CoordinatorError("NON_FINITE", "expected finite numbers in the update, came NaN or infinity");
}

/**
 * One NaN or infinity anywhere makes a probe NaN: 0·x is 0 for every finite x. Four probes, since a processor adds to one of them
 * while it waits for another.
 */
function allFinite(values: Float32Array): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const fours = values.length & ~3;
  for (let i = 0; i < fours; i += 4) {
    a += 0 * (values[i] ?? 0);
    b += 0 * (values[i + 1] ?? 0);
    c += 0 * (values[i + 2] ?? 0);
    d += 0 * (values[i + 3] ?? 0);
  }
  for (let i = fours; i < values.length; i++) a += 0 * (values[i] ?? 0);
  return a + b + c + d === 0;
}

/** Little-endian float32, without a copy when the bytes are aligned. Every platform that runs Node is little-endian. */
function floats(bytes: Uint8Array): Float32Array {
  // Not slice(): on a Buffer, which is what arrives, that is a view and stays unaligned.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
