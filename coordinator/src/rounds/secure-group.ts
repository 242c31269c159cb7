import type { RandomSource } from "@fedloop/privacy";
import {
  type Closed,
  ConfirmationsCollection,
  type KeyAdvertisement,
  KeysCollection,
  maskAccumulator,
  type NeighbourList,
  type Receipt,
  SecAggError,
  type SecAggParameters,
  type SecureSum,
  type ShareDeal,
  type ShareDelivery,
  SharesCollection,
  type SignatureVerifier,
  type SurvivorConfirmation,
  type SurvivorConfirmations,
  type SurvivorSet,
  type UnmaskAnswer,
  UnmaskCollection,
  type UnmaskEngine,
  VectorsCollection,
} from "@fedloop/privacy/secagg";
import { type AssignGroup, GroupLost, type RemoteGroup } from "../messaging/remote-group.js";
import type { Device } from "../registry/device.js";

/** The steps of secure aggregation, named after the round's states. */
export const SECURE_STEPS = ["keys", "shares", "masked", "consistency", "unmask"] as const;

export type SecureStep = (typeof SECURE_STEPS)[number];

type Stage = KeysCollection | SharesCollection | VectorsCollection | ConfirmationsCollection | UnmaskCollection;

/**
 * One group of a cohort on its way through the protocol. All of it is in memory only. What a device has sent counts
 * once; a repetition is told what the first one was, also when the group has gone on.
 */
export class SecureGroup implements Disposable {
  /** By device id, which of them answered each step. */
  readonly #answered = new Map<SecureStep, Set<string>>(SECURE_STEPS.map((step) => [step, new Set()]));
  #stage: Stage;
  #shares: SharesCollection | undefined;
  #vectors: VectorsCollection | undefined;
  #confirmations: ConfirmationsCollection | undefined;
  #isLeftOut = false;
  #isInconsistent = false;
  #isLost = false;
  #remote: RemoteGroup | undefined;

  /** @param assign gives the group's sum to another process, when its vectors are asked for; none unless given */
  constructor(parameters: SecAggParameters, verifier: SignatureVerifier, assign?: AssignGroup) {
    this.#stage = new KeysCollection(parameters, verifier, () => {
      this.#remote = assign?.(parameters);
      return this.#remote?.sum ?? maskAccumulator(parameters.length, parameters.bits);
    });
  }

  /** Whether the process that summed the group is gone, and its sum with it. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Whether the group fell below what the protocol needs: its members are not in the round's sum. */
  get isLeftOut(): boolean {
    return this.#isLeftOut;
  }

  /** Whether a dealer's shares gave another secret than it committed to. */
  get isInconsistent(): boolean {
    return this.#isInconsistent;
  }

  /** Whether no more unmask answers are needed. */
  get isSufficient(): boolean {
    return this.#isLeftOut || (this.#stage instanceof UnmaskCollection && this.#stage.sufficient);
  }

  /** Ids of the devices that have answered a step. */
  answered(step: SecureStep): ReadonlySet<string> {
    return this.#answered.get(step) ?? new Set();
  }

  /** The mask key that a device advertised, 32 bytes. */
  maskPublicKey(device: Device): Uint8Array | undefined {
    const member = this.#shares?.memberOf(device.publicKey);
    return member === undefined ? undefined : this.#shares?.cohort.members[member]?.advertisement.maskPublicKey;
  }

  /** @throws SecAggError as `KeysCollection.receive` */
  async advertise(device: Device, advertisement: KeyAdvertisement): Promise<Receipt> {
    const stage = this.#stage;
    if (!(stage instanceof KeysCollection)) return this.#late(device, "keys");
    return this.#note(device, "keys", await stage.receive(device.publicKey, advertisement));
  }

  /** A device's neighbours, once all keys are in. */
  neighboursOf(device: Device): NeighbourList | undefined {
    return this.#isLeftOut ? undefined : this.#shares?.messageFor(this.#member(device));
  }

  /** @throws SecAggError as `SharesCollection.receive` */
  deal(device: Device, deal: ShareDeal): Receipt {
    const stage = this.#stage;
    if (!(stage instanceof SharesCollection)) return this.#late(device, "shares");
    return this.#note(device, "shares", stage.receive(this.#member(device), deal));
  }

  /** The shares for a device, once all are in. */
  deliveryFor(device: Device): ShareDelivery | undefined {
    return this.#isLeftOut ? undefined : this.#vectors?.messageFor(this.#member(device));
  }

  /** @throws SecAggError as `VectorsCollection.receive` */
  add(device: Device, vector: Uint8Array): Receipt {
    const stage = this.#stage;
    if (!(stage instanceof VectorsCollection)) return this.#late(device, "masked");
    return this.#note(device, "masked", stage.receive(this.#member(device), { vector }));
  }

  /** Whose vectors are in the sum, once that is fixed. */
  survivors(): SurvivorSet | undefined {
    return this.#isLeftOut ? undefined : this.#confirmations?.message;
  }

  /** @throws SecAggError as `ConfirmationsCollection.receive` */
  async confirm(device: Device, confirmation: SurvivorConfirmation): Promise<Receipt> {
    const stage = this.#stage;
    if (!(stage instanceof ConfirmationsCollection)) return this.#late(device, "consistency");
    return this.#note(device, "consistency", await stage.receive(this.#member(device), confirmation));
  }

  /** The signatures of a device's neighbours, once all are in. */
  confirmationsFor(device: Device): SurvivorConfirmations | undefined {
    const stage = this.#stage;
    if (this.#isLeftOut || !(stage instanceof UnmaskCollection)) return undefined;
    return stage.messageFor(this.#member(device));
  }

  /** @throws SecAggError as `UnmaskCollection.receive` */
  reveal(device: Device, answer: UnmaskAnswer): Receipt {
    const stage = this.#stage;
    if (!(stage instanceof UnmaskCollection)) return this.#late(device, "unmask");
    return this.#note(device, "unmask", stage.receive(this.#member(device), answer));
  }

  /** Ends the present step; a group that has too little for the next one is left out. */
  close(random: RandomSource): void {
    const stage = this.#stage;
    if (this.#isLeftOut || stage instanceof UnmaskCollection) return;
    if (stage instanceof KeysCollection) this.#shares = this.#advance(stage.close(random));
    else if (stage instanceof SharesCollection) this.#vectors = this.#advance(stage.close());
    else if (stage instanceof VectorsCollection) this.#confirmations = this.#advance(stage.close());
    else this.#advance(stage.close());
  }

  /** Unmasks the group's sum. @returns undefined when shares are missing or false: the group is left out then */
  async finish(engine: UnmaskEngine, signal: AbortSignal): Promise<SecureSum | undefined> {
    const stage = this.#stage;
    if (this.#isLeftOut || !(stage instanceof UnmaskCollection)) return undefined;
    const outcome = await this.#unmasked(stage, engine, signal);
    if (outcome === undefined) return undefined;
    if (outcome.type === "finished") return outcome;
    this.#isLeftOut = true;
    this.#isInconsistent = outcome.reason === "INCONSISTENT_DEALER";
    return undefined;
  }

  async #unmasked(stage: UnmaskCollection, engine: UnmaskEngine, signal: AbortSignal) {
    try {
      return await stage.finish(this.#remote?.engine ?? engine, signal);
    } catch (cause) {
      if (!(cause instanceof GroupLost)) throw cause;
      this.#isLeftOut = true;
      this.#isLost = true;
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#isLeftOut = true;
    const stage = this.#stage;
    if (!(stage instanceof KeysCollection || stage instanceof SharesCollection)) stage[Symbol.dispose]();
  }

  #advance<Next extends Stage>(closed: Closed<Next>): Next | undefined {
    if (closed.type === "abandoned") {
      this.#isLeftOut = true;
      return undefined;
    }
    this.#stage = closed.state;
    return closed.state;
  }

  #note(device: Device, step: SecureStep, receipt: Receipt): Receipt {
    this.#answered.get(step)?.add(device.id);
    return receipt;
  }

  #late(device: Device, step: SecureStep): Receipt {
    if (this.answered(step).has(device.id)) return "repeated";
    throw new SecAggError("WRONG_STATE", `The round takes no answers to its step ${step} now.`);
  }

  #member(device: Device): number {
    const member = this.#shares?.memberOf(device.publicKey);
    if (member !== undefined) return member;
    throw new SecAggError("UNKNOWN_MEMBER", "This device sent no keys in time, so it is no member of the group.");
  }
}
