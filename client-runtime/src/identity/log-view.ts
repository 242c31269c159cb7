import type { SignatureVerifier } from "@fedloop/consent";
import { Transparency } from "@fedloop/proto";
import { ForkError, type ForkEvidence, requireExtension, type SeenCheckpoint } from "../guard/receipt.js";
import type { DeviceStore } from "../store/device-store.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import type { StateKeeper } from "./device-state.js";

function evidenceKey(population: string): string {
  return `${population}/fork`;
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
   * @throws ForkError, after the evidence was kept
   */
  async advance(came: SeenCheckpoint, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const { checkpoint: seen } = this.#keeper.current;
      if (seen !== null && seen.size === came.size && seen.root === came.root) return;
      const [older, newer] = seen !== null && seen.size > came.size ? [came, seen] : [seen, came];
      if (older !== null && older.size < newer.size) {
        const request = { oldSize: BigInt(older.size), newSize: BigInt(newer.size) };
        const { proof } = await this.#client.open(Transparency.method.getConsistencyProof, request, signal);
        await this.require(older, newer, proof?.path ?? []);
      } else {
        await this.require(older, newer, []);
      }
      if (newer === seen) return;
      // Another call of this participant may have moved on while the proof came.
      if (this.#keeper.current.checkpoint === seen) return this.#keeper.change({ checkpoint: newer });
    }
  }

  /** @throws ForkError, after the evidence was kept */
  async require(older: SeenCheckpoint | null, newer: SeenCheckpoint, path: Uint8Array[]): Promise<void> {
    try {
      requireExtension(older, newer, { path });
    } catch (cause) {
      if (cause instanceof ForkError) await this.keepEvidence(cause.evidence);
      throw cause;
    }
  }

  async keepEvidence(evidence: ForkEvidence): Promise<void> {
    const key = evidenceKey(this.#keeper.current.population);
    await this.#store.put(key, new TextEncoder().encode(JSON.stringify(evidence)));
  }

  /** The evidence of a fork, if there ever was one: JSON of `ForkEvidence`. */
  async evidence(): Promise<string | undefined> {
    const bytes = await this.#store.get(evidenceKey(this.#keeper.current.population));
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }
}
