import { modelGiven } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import type { OpenArtifact } from "../models/artifact-store.js";
import type { ContentStore } from "../models/content-store.js";
import { givenBy, readRegistry } from "../models/model-registry.js";
import type { Store } from "../store/database.js";
import { closeOfModel } from "./population-state.js";

/** How long closing a round takes at most, as devices are told. Milliseconds. */
const WHILE_CLOSING_MS = 200;

export interface PopulationModelsOptions {
  readonly artifacts: ContentStore;
  readonly store: Store;
  readonly population: string;
  /** SHA-256 of the model that the population began with. */
  readonly initial: Uint8Array;
  /** SHA-256 of the newest model; undefined before the population's state is loaded. */
  readonly newest: () => Uint8Array | undefined;
}

/** A model that an app gets. */
interface GivenFile {
  /** Of the entry that closed the round which made it. */
  readonly closeIndex: number;
  readonly bytes: number;
}

/** The models of a population, as its devices may have them. */
export class PopulationModels {
  readonly #options: PopulationModelsOptions;
  readonly #given = new Map<string, GivenFile>();

  constructor(options: PopulationModelsOptions) {
    this.#options = options;
  }

  /** SHA-256 of the present model. */
  get present(): Uint8Array {
    return this.#options.newest() ?? this.#options.initial;
  }

  /**
   * Requires a model that devices may have: the present one of rounds, or one that apps are given or were until another took
   * its place.
   *
   * @throws CoordinatorError NOT_FOUND
   */
  async require(sha256: Uint8Array): Promise<void> {
    if (Buffer.from(this.present).equals(sha256)) return;
    const { store, population } = this.#options;
    const models = await readRegistry(store.db, population);
    const model = models.find((it) => Buffer.from(it.sha256).equals(sha256));
    if (model === undefined || model.stage === "candidate" || model.stage === "rolled-back") {
      throw new CoordinatorError(
        "NOT_FOUND",
        "expected the hash of a model that devices are given now; ask again which",
      );
    }
  }

  /** A model for reading. @throws CoordinatorError NOT_FOUND as `require` */
  async open(sha256: Uint8Array): Promise<OpenArtifact> {
    await this.require(sha256);
    return this.#options.artifacts.openArtifact(sha256);
  }

  /**
   * The model that a participant's app gets, by the registry: its file, undefined while none is live, and the newest entry that
   * says which models devices get, null while there is none.
   *
   * @throws CoordinatorError RETRY while the round that released it is being closed
   */
  async given(subject: string): Promise<{ readonly stageIndex: number | null; readonly file: GivenFile | undefined }> {
    const { store, population } = this.#options;
    const { standing, stageIndex } = givenBy(await readRegistry(store.db, population));
    const model = modelGiven(population, standing, subject);
    return {
      stageIndex,
      file: model === null ? undefined : await this.#file(Buffer.from(model.model, "base64url")),
    };
  }

  async #file(model: Uint8Array): Promise<GivenFile> {
    const { artifacts, store, population } = this.#options;
    const name = Buffer.from(model).toString("base64url");
    const known = this.#given.get(name);
    if (known !== undefined) return known;
    const closeIndex = await closeOfModel(store, population, model);
    if (closeIndex === undefined) {
      throw new CoordinatorError("RETRY", "the round that released the model is just being closed; ask again", {
        retryAfterMs: WHILE_CLOSING_MS,
      });
    }
    const artifact = await artifacts.openArtifact(model);
    await artifact.close();
    const given = { closeIndex, bytes: artifact.totalBytes };
    // A canary, the live model and the one before it: more are not given at a time.
    if (this.#given.size >= 4) this.#given.clear();
    this.#given.set(name, given);
    return given;
  }
}
