import { formatForkEvidence, type SignatureVerifier } from "@fedloop/consent";
import { type ConsistencyProof, Transparency } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import {
  type ForkClaim,
  ForkError,
  openSeenCheckpoint,
  requireExtension,
  type SeenCheckpoint,
} from "../guard/receipt.js";
import type { DeviceStore } from "../store/device-store.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import type { StateKeeper } from "./device-state.js";

function evidenceKey(population: string): string {
  return `${population}/fork`;
}

function isProof(
  older: SeenCheckpoint,
  newer: SeenCheckpoint,
  given: Pick<ConsistencyProof, "path"> | undefined,
): boolean {
  if (given === undefined) return false;
  try {
    requireExtension(older, newer, given);
    return true;
  } catch (cause) {
    if (cause instanceof ForkError) return false;
    throw cause;
  }
}

/** The log as this device has seen it: one growing tree, or evidence that it is not. */
export class LogView {
  readonly verifier: SignatureVerifier;
  readonly #client: CoordinatorClient;
  readonly #keeper: StateKeeper;
  readonly #store: DeviceStore;

  constructor(client: CoordinatorClient, keeper: StateKeeper, store: DeviceStore, verifier: SignatureVerifier) {
    this.#client = client;
    this.#keeper = keeper;
    this.#store = store;
    this.verifier = verifier;
  }

  /**
   * Remembers a signed checkpoint, once it is proven to be of the same growing tree as the last one.
   *
   * @param given a proof that came with the checkpoint, perhaps from another tree; one that does not prove it is as none
   * @throws ForkError, after the evidence was kept
   */
  async advance(came: SeenCheckpoint, signal?: AbortSignal, given?: Pick<ConsistencyProof, "path">): Promise<void> {
    for (;;) {
      const { checkpoint: seen } = this.#keeper.current;
      if (seen !== null && seen.size === came.size && seen.root === came.root) return;
      const [older, newer] = seen !== null && seen.size > came.size ? [came, seen] : [seen, came];
      const isGrowth = older !== null && older.size < newer.size;
      if (!isGrowth || !isProof(older, newer, given)) {
        await this.#require(older, newer, isGrowth ? await this.#proof(older.size, newer.size, signal) : []);
      }
      if (newer === seen) return;
      // Another call of this participant may have moved on while the proof came.
      if (this.#keeper.current.checkpoint === seen) return this.#keeper.change({ checkpoint: newer });
    }
  }

  /** Compares what was seen with the log's newest checkpoint. @throws ForkError, after the evidence was kept */
  async compare(signal?: AbortSignal): Promise<void> {
    const { checkpoint } = await this.#client.open(Transparency.method.getCheckpoint, {}, signal);
    await this.advance(await openSeenCheckpoint(checkpoint, this.#keeper.current.log, this.verifier), signal);
  }

  /** A consistency proof; a log that has none to give proves nothing. */
  async #proof(oldSize: number, newSize: number, signal: AbortSignal | undefined): Promise<Uint8Array[]> {
    const request = { oldSize: BigInt(oldSize), newSize: BigInt(newSize) };
    try {
      const { proof } = await this.#client.open(Transparency.method.getConsistencyProof, request, signal);
      return proof?.path ?? [];
    } catch (cause) {
      if (cause instanceof ClientError && cause.remoteCode === "OUT_OF_RANGE") return [];
      throw cause;
    }
  }

  async #require(older: SeenCheckpoint | null, newer: SeenCheckpoint, path: Uint8Array[]): Promise<void> {
    try {
      requireExtension(older, newer, { path });
    } catch (cause) {
      if (cause instanceof ForkError) await this.keepEvidence(cause.claim);
      throw cause;
    }
  }

  /** Keeps a fork as a file that `fedloop-audit` and everyone else can check. The first one found stays. */
  async keepEvidence({ older, newer, path }: ForkClaim): Promise<void> {
    if ((await this.evidence()) !== undefined) return;
    const { population, log } = this.#keeper.current;
    const evidence = formatForkEvidence(log.verifierKey, older.note, newer.note, path);
    await this.#store.put(evidenceKey(population), new TextEncoder().encode(evidence));
  }

  /** The evidence of a fork, if there ever was one, as `formatForkEvidence` of @fedloop/consent writes it. */
  async evidence(): Promise<string | undefined> {
    const bytes = await this.#store.get(evidenceKey(this.#keeper.current.population));
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }
}
