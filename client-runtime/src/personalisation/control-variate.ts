import { ClientError } from "../errors.js";
import type { TrainingTask } from "../trainers/trainer.js";

/** Before the numbers: the round whose update moved the variate, as a 64-bit float; 0 for one that nothing has to confirm. */
const HEADER_BYTES = 8;

type Kept = Pick<TrainingTask, "state" | "fate">;

/**
 * A device's control variate cᵢ, kept in the participant's local state: what it was, and what it is once the server has counted
 * the last update. An update may be lost, and its round abandoned; the server's c then has nothing of it, and neither has cᵢ.
 */
export class ControlVariate {
  readonly #keys: { readonly settled: string; readonly moved: string };

  constructor(key: string) {
    this.#keys = { settled: key, moved: `${key}/moved` };
  }

  /** cᵢ before this round; zeros at first. @throws ClientError STORE_CORRUPT when it is of another length than the model */
  async current(task: Kept, length: number): Promise<Float32Array> {
    const { state, fate } = task;
    const moved = await read(state, this.#keys.moved, length);
    // A round that is trained anew has no result yet.
    if (moved !== undefined && (fate === undefined || (await fate.wasCounted(moved.round)))) {
      await write(state, this.#keys.settled, 0, moved.values);
      return moved.values;
    }
    return (await read(state, this.#keys.settled, length))?.values ?? new Float32Array(length);
  }

  /** cᵢ + factor·changes, should this round's update be counted. */
  async move({ state, fate }: Kept, from: Float32Array, changes: Float32Array, factor: number): Promise<void> {
    const next = from.map((value, i) => value + factor * (changes[i] ?? 0));
    await write(state, this.#keys.moved, fate?.round ?? 0, next);
  }
}

async function write(state: Kept["state"], key: string, round: number, values: Float32Array): Promise<void> {
  const bytes = new Uint8Array(HEADER_BYTES + values.byteLength);
  new DataView(bytes.buffer).setFloat64(0, round);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), HEADER_BYTES);
  await state.put(key, bytes);
}

async function read(
  state: Kept["state"],
  key: string,
  length: number,
): Promise<{ readonly round: number; readonly values: Float32Array } | undefined> {
  const bytes = await state.get(key);
  if (bytes === undefined) return undefined;
  if (bytes.length !== HEADER_BYTES + 4 * length) {
    throw new ClientError("STORE_CORRUPT", `expected a control variate of ${length} numbers in the device store`);
  }
  const copy = bytes.slice();
  return { round: new DataView(copy.buffer).getFloat64(0), values: new Float32Array(copy.buffer, HEADER_BYTES) };
}
