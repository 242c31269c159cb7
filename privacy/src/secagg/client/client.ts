import type { DeviceCrypto } from "../crypto/device-crypto.js";
import { SecAggError, type SecAggErrorCode } from "../errors.js";
import type {
  KeyAdvertisement,
  MaskedVector,
  NeighbourList,
  ShareDeal,
  ShareDelivery,
  SurvivorConfirmation,
  SurvivorConfirmations,
  SurvivorSet,
  UnmaskAnswer,
} from "../messages.js";
import type { DeviceStep } from "./answer-once.js";
import { type ConsistencyState, confirmSurvivors } from "./consistency.js";
import { advertiseKeys, type DeviceSetup, type KeysState } from "./keys.js";
import { type MaskedState, maskVector } from "./masked.js";
import { dealShares, type SharesState } from "./shares.js";
import { revealShares } from "./unmask.js";

type ClientState =
  | { readonly type: "new" }
  | KeysState
  | SharesState
  | MaskedState
  | ConsistencyState
  | { readonly type: "done" }
  | { readonly type: "left"; readonly reason: SecAggErrorCode | "CLOSED" | "FAILED" };

/**
 * A device's part in one round: the states in order, from `advertise` to `unmask`. After any error the device has left
 * the round and its secrets are erased; a retry of the transport sends the message it has, and asks for no other.
 */
export class SecAggClient implements Disposable {
  readonly #setup: DeviceSetup;
  readonly #crypto: DeviceCrypto;
  #state: ClientState = { type: "new" };
  #answering = false;

  constructor(setup: DeviceSetup, crypto: DeviceCrypto) {
    this.#setup = setup;
    this.#crypto = crypto;
  }

  /** Where the device is. */
  get state(): ClientState["type"] {
    return this.#state.type;
  }

  /** Why the device left the round, when it did. */
  get leaveReason(): SecAggErrorCode | "CLOSED" | "FAILED" | undefined {
    return this.#state.type === "left" ? this.#state.reason : undefined;
  }

  /** Neighbours whose shares were faulty; empty before the masked step. */
  get faultyDealers(): readonly number[] {
    return this.#state.type === "masked" ? this.#state.faultyDealers : [];
  }

  /** Throws SecAggError WRONG_STATE out of order; so do all steps. */
  async advertise(): Promise<KeyAdvertisement> {
    if (this.#state.type !== "new") return this.#outOfOrder("new");
    return this.#advance(() => advertiseKeys(this.#setup, this.#crypto));
  }

  /** See `dealShares` for what is checked. */
  async dealShares(list: NeighbourList): Promise<ShareDeal> {
    const state = this.#state;
    if (state.type !== "keys") return this.#outOfOrder("keys");
    return this.#advance(() => dealShares(state, list, this.#crypto));
  }

  /** See `maskVector`. The values may be overwritten by the caller afterwards. */
  async maskVector(delivery: ShareDelivery, values: Int32Array, signal?: AbortSignal): Promise<MaskedVector> {
    const state = this.#state;
    if (state.type !== "shares") return this.#outOfOrder("shares");
    return this.#advance(() => maskVector(state, delivery, values, this.#crypto, signal));
  }

  /** See `confirmSurvivors`. */
  async confirmSurvivors(set: SurvivorSet): Promise<SurvivorConfirmation> {
    const state = this.#state;
    if (state.type !== "masked") return this.#outOfOrder("masked");
    return this.#advance(() => confirmSurvivors(state, set));
  }

  /** See `revealShares`. */
  async unmask(confirmations: SurvivorConfirmations): Promise<UnmaskAnswer> {
    const state = this.#state;
    if (state.type !== "consistency") return this.#outOfOrder("consistency");
    return this.#advance(async () => ({
      state: { type: "done" },
      message: await revealShares(state, confirmations, this.#crypto),
    }));
  }

  /** Leaves the round, if it is under way, and erases what is secret. */
  close(): void {
    if (this.#state.type !== "done" && this.#state.type !== "left") this.#leave("CLOSED");
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** One step at a time: a second message that comes while the first is answered is refused, and changes nothing. */
  async #advance<Message>(step: () => Promise<DeviceStep<ClientState, Message>>): Promise<Message> {
    if (this.#answering) throw new SecAggError("WRONG_STATE", "The device is still answering the last message.");
    this.#answering = true;
    try {
      const { state, message } = await step();
      if (this.#state.type === "left") {
        eraseSecrets(state);
        throw new SecAggError("CANCELLED", "The device left the round while it was answering.");
      }
      this.#state = state;
      return message;
    } catch (error) {
      if (this.#state.type !== "left") this.#leave(error instanceof SecAggError ? error.code : "FAILED");
      throw error;
    } finally {
      this.#answering = false;
    }
  }

  #leave(reason: SecAggErrorCode | "CLOSED" | "FAILED"): void {
    eraseSecrets(this.#state);
    this.#state = { type: "left", reason };
  }

  #outOfOrder(expected: ClientState["type"]): never {
    throw new SecAggError("WRONG_STATE", `This step follows "${expected}"; the device is at "${this.#state.type}".`);
  }
}

function eraseSecrets(state: ClientState): void {
  if ("secrets" in state) for (const secret of state.secrets) secret.erase();
}
