import { ClientError } from "../errors.js";
import type { LocalState, TrainingTask } from "../trainers/trainer.js";

/** A vector of the device's own, as long as the model, kept in the participant's local state. */
export class LocalVector {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  /** @throws ClientError STORE_CORRUPT when it is of another length than the model */
  async get({ state, parameters }: Pick<TrainingTask, "state" | "parameters">): Promise<Float32Array | undefined> {
    const bytes = await state.get(this.#key);
    if (bytes === undefined || bytes.length === 0) return undefined;
    if (bytes.length !== 4 * parameters.length) {
      throw new ClientError(
        "STORE_CORRUPT",
        `expected ${parameters.length} numbers of the device's own model in its store`,
      );
    }
    return new Float32Array(bytes.slice().buffer);
  }

  async put({ state }: { readonly state: LocalState }, vector: Float32Array): Promise<void> {
    await state.put(this.#key, new Uint8Array(vector.slice().buffer));
  }

  /** From now on there is none. */
  async forget({ state }: { readonly state: LocalState }): Promise<void> {
    await state.put(this.#key, new Uint8Array());
  }
}
