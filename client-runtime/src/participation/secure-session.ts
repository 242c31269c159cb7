// A device's part in one securely aggregated round: the protocol's messages, carried as calls.
import type { Signer } from "@fedloop/consent";
import {
  type DeviceCrypto,
  type KeyAdvertisement,
  SecAggClient,
  SecAggError,
  type SecAggParameters,
  type ShareDeal,
  type SurvivorConfirmation,
} from "@fedloop/privacy/secagg";
import { Rounds } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { Clock } from "../scheduling/clock.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";

export interface SecureSessionOptions {
  readonly client: CoordinatorClient;
  readonly clock: Clock;
  readonly signer: Signer;
  readonly crypto: DeviceCrypto;
  readonly population: string;
  readonly round: number;
  readonly parameters: SecAggParameters;
  /** The app's own floor for the members of a group. */
  readonly minimumMembers: number;
  /** The device's integers; erased once they are masked. */
  readonly values: Int32Array;
}

/** An answer that may not be there yet. */
interface Pending {
  readonly ready: boolean;
  readonly retryAfterMs: number;
}

/** Where the coordinator names no time to ask again. */
const ASK_AGAIN_MS = 250;

/**
 * One method a step, in order. A step that fails ends the session: whatever was secret is erased, and the device is
 * gone from the round. A repeated call sends the very message that was sent before.
 */
export class SecureSession implements Disposable {
  readonly #options: SecureSessionOptions;
  readonly #device: SecAggClient;
  #advertisement: KeyAdvertisement | undefined;
  #deal: ShareDeal | undefined;
  #confirmation: SurvivorConfirmation | undefined;

  constructor(options: SecureSessionOptions) {
    this.#options = options;
    const { parameters, signer, minimumMembers, crypto } = options;
    this.#device = new SecAggClient({ parameters, signer, minimumMembers }, crypto);
  }

  /** Sends fresh keys. */
  async advertise(signal: AbortSignal): Promise<void> {
    this.#advertisement = await this.#step(() => this.#device.advertise());
    await this.#keys(this.#advertisement, signal);
  }

  /** Learns its neighbours and deals them shares. */
  async dealShares(signal: AbortSignal): Promise<void> {
    const advertisement = sent(this.#advertisement);
    const list = await this.#ready(() => this.#keys(advertisement, signal), signal);
    const { member, cohortSize, threshold, neighbours } = list;
    this.#deal = await this.#step(() => this.#device.dealShares({ member, cohortSize, threshold, neighbours }));
    await this.#shares(this.#deal, signal);
  }

  /** Takes its neighbours' shares and masks the update. @returns what may leave the device */
  async mask(signal: AbortSignal): Promise<Uint8Array> {
    const deal = sent(this.#deal);
    const answer = await this.#ready(() => this.#shares(deal, signal), signal);
    const shares = answer.shares.map(({ member, ciphertext }) => ({ member, envelope: ciphertext }));
    const { values } = this.#options;
    try {
      const delivery = { shares, gone: answer.gone };
      return (await this.#step(() => this.#device.maskVector(delivery, values, signal))).vector;
    } finally {
      values.fill(0);
    }
  }

  /** Checks and signs who is in the sum. */
  async confirm(signal: AbortSignal): Promise<void> {
    const { survivors } = await this.#ready(() => this.#confirm({ signature: new Uint8Array() }, signal), signal);
    this.#confirmation = await this.#step(() => this.#device.confirmSurvivors({ survivors }));
    await this.#confirm(this.#confirmation, signal);
  }

  /** Checks that its neighbours signed the same, and reveals shares, once. */
  async unmask(signal: AbortSignal): Promise<void> {
    const confirmation = sent(this.#confirmation);
    const { signatures } = await this.#ready(() => this.#confirm(confirmation, signal), signal);
    const { shares } = await this.#step(() => this.#device.unmask({ signatures }));
    const { client, population, round } = this.#options;
    const revealed = shares.map(({ member, type, share }) => ({
      member,
      share: { case: type === "self-mask" ? ("selfMaskShare" as const) : ("maskKeyShare" as const), value: share },
    }));
    await client.call(Rounds.method.unmask, { population, round: BigInt(round), shares: revealed }, signal);
  }

  /** Erases all secrets. */
  [Symbol.dispose](): void {
    this.#device.close();
    this.#options.values.fill(0);
  }

  #keys(advertisement: KeyAdvertisement, signal: AbortSignal) {
    const { client, population, round } = this.#options;
    return client.call(Rounds.method.advertiseKeys, { population, round: BigInt(round), ...advertisement }, signal);
  }

  #shares({ selfMaskCommitment, shares }: ShareDeal, signal: AbortSignal) {
    const { client, population, round } = this.#options;
    const sealed = shares.map(({ member, envelope }) => ({ member, ciphertext: envelope }));
    const request = { population, round: BigInt(round), selfMaskCommitment, shares: sealed };
    return client.call(Rounds.method.shareKeys, request, signal);
  }

  #confirm({ signature }: SurvivorConfirmation, signal: AbortSignal) {
    const { client, population, round } = this.#options;
    return client.call(Rounds.method.confirmSurvivors, { population, round: BigInt(round), signature }, signal);
  }

  /** Asks until the answer is there: the round's event came, so it is about to be. */
  async #ready<Answer extends Pending>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      const answer = await ask();
      if (answer.ready) return answer;
      await this.#options.clock.wait(answer.retryAfterMs > 0 ? answer.retryAfterMs : ASK_AGAIN_MS, signal);
    }
  }

  async #step<Message>(step: () => Promise<Message>): Promise<Message> {
    try {
      return await step();
    } catch (cause) {
      throw asGuardError(cause);
    }
  }
}

function sent<Message>(message: Message | undefined): Message {
  if (message === undefined)
    throw new ClientError("PROTOCOL", "expected the steps of secure aggregation in their order");
  return message;
}

/** Why a device leaves a round, in the app's words: too few others, or a coordinator that does not keep to its plan. */
function asGuardError(cause: unknown): unknown {
  if (!(cause instanceof SecAggError)) return cause;
  switch (cause.code) {
    case "CANCELLED":
      return new ClientError("ABORTED", "secure aggregation was broken off", { cause });
    case "BELOW_MINIMUM_COHORT":
    case "TOO_FEW_SHARES":
    case "TOO_FEW_SURVIVORS":
    case "TOO_FEW_SIGNATURES":
    case "INFEASIBLE_GRAPH":
      return new ClientError("GUARD_COHORT", cause.message, { cause });
    case "OUT_OF_RANGE":
    case "WRONG_LENGTH":
      return new ClientError("ENCODING", cause.message, { cause });
    default:
      return new ClientError("GUARD_AGGREGATION", cause.message, { cause });
  }
}
