// The model as an app uses it: one that a round has released and that the log gives this device, kept for when there is no network.
import {
  decodeBase64Url,
  type Entry,
  type EntryReader,
  encodeBase64Url,
  encodeUtf8,
  type GivenModel,
  modelGiven,
  type RoundClose,
  readCloseEntry,
  readStageEntry,
  verifyEntrySignature,
} from "@fedloop/consent";
import { Artifacts, type GetModelResponse, type LogReceipt } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { TransferLimits } from "../guard/floors.js";
import { type LoggedEntry, openReceipt } from "../guard/receipt.js";
import type { Sha256 } from "../hashing/sha256.js";
import type { StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import type { DeviceStore } from "../store/device-store.js";
import { downloadArtifact, type TransferContext } from "../transfer/download.js";
import { mayComeBack } from "../transport/coordinator-client.js";
import { type Model, readModel } from "./safetensors.js";

/** A model that a round has released. */
export interface ReleasedModel extends Model {
  /** The round that made it. */
  readonly round: number;
  /** Of its file, base64url: what the round's close in the log names. */
  readonly sha256: string;
  /**
   * What is tried out, as the log says: the round of the canary, and which model this device has. For the rows of an experiment by which
   * a plan moves its canary. Undefined while there is no canary, and for a model that was kept from before.
   */
  readonly trial?: { readonly round: number; readonly arm: "live" | "canary" } | undefined;
}

export interface ModelShelfDependencies {
  readonly transfer: TransferContext;
  readonly keeper: StateKeeper;
  readonly log: LogView;
  readonly store: DeviceStore;
  readonly sha256: Sha256;
  readonly limits: TransferLimits;
}

interface ModelName {
  readonly round: number;
  readonly sha256: string;
}

/** Where a device keeps the model that its app uses. */
export class ModelShelf {
  readonly #dependencies: ModelShelfDependencies;

  constructor(dependencies: ModelShelfDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * The released model that this device is given, as the log says; the one kept from before while the coordinator cannot be
   * reached.
   *
   * @returns undefined while the log gives this device none
   * @throws ClientError GUARD_STAGE, GUARD_MODEL, GUARD_TOO_LARGE, GUARD_FORK, BAD_RECEIPT, BAD_MODEL, UNAVAILABLE, ABORTED …
   */
  async newest(signal: AbortSignal | undefined): Promise<ReleasedModel | undefined> {
    const { transfer, keeper } = this.#dependencies;
    const seen = await this.#seenStage();
    let answer: GetModelResponse;
    try {
      const { population } = keeper.current;
      answer = await transfer.client.call(Artifacts.method.getModel, { population }, signal);
    } catch (cause) {
      const kept = mayComeBack(cause) ? await this.#kept() : undefined;
      if (kept === undefined) throw cause;
      return kept;
    }
    const verified = await this.#verified(answer, seen, signal);
    if (verified === undefined) return undefined;
    const { name, trial } = verified;
    const model = (await this.#read(name)) ?? (await this.#fetch(name, Number(answer.totalBytes), signal));
    return trial === undefined ? model : { ...model, trial };
  }

  /** @throws ClientError GUARD_STAGE, BAD_RECEIPT */
  async #verified(
    { close, stage }: GetModelResponse,
    seen: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly name: ModelName; readonly trial: ReleasedModel["trial"] } | undefined> {
    const { given, canary } = await this.#given(stage, seen, signal);
    if (given === null) await this.#forgetAfter(0);
    if (close === undefined) {
      if (given === null) return undefined;
      throw badStage(`the model of round ${given.round}, which the log gives this device`, "none");
    }
    const what = "of the round that released the model";
    const logged = await this.#logged(close, what, readCloseEntry);
    const name = modelNamed(logged.entry.body, this.#dependencies.keeper.current.population);
    if (name === undefined) throw badReceipt(what, "another entry");
    await this.#dependencies.log.advance(logged.checkpoint, signal);
    if (given?.round !== name.round || given.model !== name.sha256) {
      const expected =
        given === null ? "no model, since the log gives this device none" : `that of round ${given.round}`;
      throw badStage(expected, `the model of round ${name.round}; it is not, or no longer, this device's`);
    }
    await this.#forgetAfter(name.round);
    const arm = given.round === canary?.round ? "canary" : "live";
    return { name, trial: canary === null ? undefined : { round: canary.round, arm } };
  }

  /** What the newest entry about stages gives this device. @throws ClientError GUARD_STAGE, BAD_RECEIPT */
  async #given(
    stage: LogReceipt | undefined,
    seen: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly given: GivenModel | null; readonly canary: GivenModel | null }> {
    const { keeper, log, store } = this.#dependencies;
    const { population, subject } = keeper.current;
    if (stage === undefined) {
      if (seen < 0) return { given: null, canary: null };
      throw badStage(`the log's entry at ${seen} or a later one about stages of models`, "none");
    }
    const what = "about stages of models";
    const { entry, index, checkpoint } = await this.#logged(stage, what, readStageEntry);
    if (entry.body.population !== population) throw badReceipt(what, "another entry");
    await log.advance(checkpoint, signal);
    // The log only grows: what it said before a later entry holds no more.
    if (index < seen)
      throw badStage(`the log's entry at ${seen} or a later one about stages of models`, `that at ${index}`);
    await store.put(this.#stageKey, encodeUtf8(String(index)));
    const { standing } = entry.body;
    return { given: modelGiven(population, standing, subject), canary: standing.canary };
  }

  /** An entry that is proven to be in the log and that the operator signed. @throws ClientError BAD_RECEIPT */
  async #logged<E extends Entry>(receipt: LogReceipt, what: string, read: EntryReader<E>): Promise<LoggedEntry<E>> {
    const { keeper, log } = this.#dependencies;
    const { policy, log: pinned } = keeper.current;
    const logged = await openReceipt(receipt, pinned, log.verifier, read).catch((cause: unknown) => {
      throw badReceipt(what, "one without proof that it is in the log", cause);
    });
    const operator = policy?.operatorKey;
    if (
      operator === undefined ||
      !(await verifyEntrySignature(logged.entry, decodeBase64Url(operator), log.verifier))
    ) {
      throw badReceipt(what, "one that the operator did not sign");
    }
    return logged;
  }

  async #fetch(name: ModelName, bytes: number, signal: AbortSignal | undefined): Promise<ReleasedModel> {
    const { transfer, limits, store } = this.#dependencies;
    if (!Number.isSafeInteger(bytes) || bytes > limits.modelBytes) {
      throw new ClientError("GUARD_TOO_LARGE", `expected a model of at most ${limits.modelBytes} bytes, came ${bytes}`);
    }
    const file = await downloadArtifact({ ...transfer, signal }, { sha256: decodeBase64Url(name.sha256), bytes });
    const model = readModel(file);
    const older = await this.#keys();
    await store.put(this.#key(name), file);
    for (const key of older) await store.delete(key);
    return { ...model, ...name };
  }

  async #kept(): Promise<ReleasedModel | undefined> {
    const newest = (await this.#names()).sort((a, b) => b.round - a.round)[0];
    return newest === undefined ? undefined : this.#read(newest);
  }

  /** A kept model that is newer than the one that the log gives was taken away. */
  async #forgetAfter(round: number): Promise<void> {
    for (const name of await this.#names()) {
      if (name.round > round) await this.#dependencies.store.delete(this.#key(name));
    }
  }

  async #names(): Promise<ModelName[]> {
    return (await this.#keys()).map((key) => {
      const [round, sha256 = ""] = key.slice(this.#prefix.length).split("/");
      return { round: Number(round), sha256 };
    });
  }

  /** Place in the log of the newest entry about stages that this device was shown; −1 for none. */
  async #seenStage(): Promise<number> {
    const bytes = await this.#dependencies.store.get(this.#stageKey);
    const text = bytes === undefined ? "-1" : new TextDecoder().decode(bytes);
    if (/^(-1|\d{1,15})$/.test(text)) return Number(text);
    throw new ClientError("STORE_CORRUPT", "expected a place in the log in the device store, came something else");
  }

  get #stageKey(): string {
    return `${this.#dependencies.keeper.current.population}/stage`;
  }

  async #read(name: ModelName): Promise<ReleasedModel | undefined> {
    const { store, sha256 } = this.#dependencies;
    const file = await store.get(this.#key(name));
    if (file === undefined) return undefined;
    // A file that was damaged is fetched again.
    if (encodeBase64Url(sha256.digest(file)) !== name.sha256) return undefined;
    return { ...readModel(file), ...name };
  }

  get #prefix(): string {
    return `${this.#dependencies.keeper.current.population}/model/`;
  }

  #key({ round, sha256 }: ModelName): string {
    return `${this.#prefix}${round}/${sha256}`;
  }

  #keys(): Promise<string[]> {
    return this.#dependencies.store.keys(this.#prefix);
  }
}

function modelNamed(close: RoundClose, population: string): ModelName | undefined {
  const { outcome, modelOut, round } = close;
  if (close.population !== population) return undefined;
  return outcome === "completed" && modelOut !== null ? { round, sha256: modelOut } : undefined;
}

function badReceipt(what: string, came: string, cause?: unknown): ClientError {
  return new ClientError("BAD_RECEIPT", `expected the log's entry ${what}, came ${came}`, { cause });
}

function badStage(expected: string, came: string): ClientError {
  return new ClientError("GUARD_STAGE", `expected ${expected}, came ${came}`);
}
