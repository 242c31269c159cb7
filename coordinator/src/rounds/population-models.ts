import { CoordinatorError } from "../errors.js";
import type { ArtifactStore, OpenArtifact } from "../models/artifact-store.js";
import type { Store } from "../store/database.js";
import { closeOfModel } from "./population-state.js";

/** How long closing a round takes at most, as devices are told. Milliseconds. */
const WHILE_CLOSING_MS = 200;

export interface PopulationModelsOptions {
  readonly artifacts: ArtifactStore;
  readonly store: Store;
  readonly population: string;
  /** SHA-256 of the model that the population began with. */
  readonly initial: Uint8Array;
  /** SHA-256 of the newest model; undefined before the population's state is loaded. */
  readonly newest: () => Uint8Array | undefined;
}

/** The models of a population, as its devices may have them. */
export class PopulationModels {
  readonly #options: PopulationModelsOptions;
  #released: { readonly model: Uint8Array; readonly closeIndex: number; readonly bytes: number } | undefined;

  constructor(options: PopulationModelsOptions) {
    this.#options = options;
  }

  /** SHA-256 of the present model. */
  get present(): Uint8Array {
    return this.#options.newest() ?? this.#options.initial;
  }

  /** @throws CoordinatorError NOT_FOUND for any but the present model */
  require(sha256: Uint8Array): void {
    if (!Buffer.from(this.present).equals(sha256)) {
      throw new CoordinatorError("NOT_FOUND", "expected the hash of the population's present model; check in again");
    }
  }

  /** The present model, for reading. @throws CoordinatorError NOT_FOUND */
  async open(sha256: Uint8Array): Promise<OpenArtifact> {
    this.require(sha256);
    return this.#options.artifacts.openArtifact(sha256);
  }

  /**
   * The newest released model: the index of the entry that closed its round, and the size of its file. Undefined before
   * the first.
   *
   * @throws CoordinatorError RETRY while the round that released it is being closed
   */
  async released(): Promise<{ readonly closeIndex: number; readonly bytes: number } | undefined> {
    const { artifacts, store, population, initial } = this.#options;
    const model = this.present;
    if (Buffer.from(model).equals(initial)) return undefined;
    const known = this.#released;
    if (known !== undefined && Buffer.from(known.model).equals(model)) return known;
    const closeIndex = await closeOfModel(store, population, model);
    if (closeIndex === undefined) {
      throw new CoordinatorError("RETRY", "the round that released the model is just being closed; ask again", {
        retryAfterMs: WHILE_CLOSING_MS,
      });
    }
    const artifact = await artifacts.openArtifact(model);
    await artifact.close();
    this.#released = { model, closeIndex, bytes: artifact.totalBytes };
    return this.#released;
  }
}
