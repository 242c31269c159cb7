// The model as an app uses it: one that a round has released and that the coordinator gives this device, proven by the log, kept for when there is no
// network.
import { decodeBase64Url, type Entry, encodeBase64Url, verifyEntrySignature } from "@fedloop/consent";
import { Artifacts, type GetModelResponse } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { TransferLimits } from "../guard/floors.js";
import { openReceipt } from "../guard/receipt.js";
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
   * The released model that this device is given; the one kept from before while the coordinator cannot be reached.
   *
   * @returns undefined before the first round has released one
   * @throws ClientError GUARD_MODEL, GUARD_TOO_LARGE, GUARD_FORK, BAD_RECEIPT, BAD_MODEL, UNAVAILABLE, ABORTED …
   */
  async newest(signal: AbortSignal | undefined): Promise<ReleasedModel | undefined> {
    const { transfer, keeper } = this.#dependencies;
    let answer: GetModelResponse;
    try {
      const { population } = keeper.current;
      answer = await transfer.client.call(Artifacts.method.getModel, { population }, signal);
    } catch (cause) {
      const kept = mayComeBack(cause) ? await this.#kept() : undefined;
      if (kept === undefined) throw cause;
      return kept;
    }
    if (answer.close === undefined) return undefined;
    const name = await this.#verified(answer, signal);
    return (await this.#read(name)) ?? this.#fetch(name, Number(answer.totalBytes), signal);
  }

  /** @throws ClientError BAD_RECEIPT */
  async #verified({ close }: GetModelResponse, signal: AbortSignal | undefined): Promise<ModelName> {
    const { keeper, log } = this.#dependencies;
    const { population, policy, log: pinned } = keeper.current;
    if (close === undefined) throw badClose("none");
    const { entry, checkpoint } = await openReceipt(close, pinned, log.verifier).catch((cause: unknown) => {
      throw badClose("one without proof that it is in the log", cause);
    });
    const name = modelNamed(entry, population);
    if (name === undefined) throw badClose("another entry");
    const operator = policy?.operatorKey;
    if (operator === undefined || !(await verifyEntrySignature(entry, decodeBase64Url(operator), log.verifier))) {
      throw badClose("one that the operator did not sign");
    }
    await log.advance(checkpoint, signal);
    return name;
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
    const names = (await this.#keys()).map((key) => key.slice(this.#prefix.length).split("/"));
    const newest = names
      .map(([round, sha256 = ""]) => ({ round: Number(round), sha256 }))
      .sort((a, b) => b.round - a.round)[0];
    return newest === undefined ? undefined : this.#read(newest);
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

function modelNamed(entry: Entry, population: string): ModelName | undefined {
  if (entry.type !== "round.close" || entry.body.population !== population) return undefined;
  const { outcome, modelOut, round } = entry.body;
  return outcome === "completed" && modelOut !== null ? { round, sha256: modelOut } : undefined;
}

function badClose(came: string, cause?: unknown): ClientError {
  return new ClientError("BAD_RECEIPT", `expected the log's entry of the round that released the model, came ${came}`, {
    cause,
  });
}
