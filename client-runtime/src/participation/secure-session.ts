// A device's part in one securely aggregated round: the protocol's messages, carried as calls.
import type { Signer } from "@fedloop/consent";
import {
  type DeviceCrypto,
  type NeighbourList,
  SecAggClient,
  SecAggError,
  type SecAggParameters,
  type ShareDelivery,
  type SurvivorConfirmations,
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

/** A step lasts until the slowest device has answered; so long the coordinator may hold an answer back. */
const HELD_MS = 60_000;
/** Where the coordinator names no time to ask again. */
const ASK_AGAIN_MS = 250;

/**
 * One method a step, in order. Each sends the device's message and takes the answer, which the coordinator holds back
 * until the step has ended for all. A step that fails ends the session: whatever was secret is erased, and the device is
 * gone from the round. A repeated call sends the very message that was sent before.
 */
export class SecureSession implements Disposable {
  readonly #options: SecureSessionOptions;
  readonly #device: SecAggClient;
  #neighbours: NeighbourList | undefined;
  #delivery: ShareDelivery | undefined;
  #confirmations: SurvivorConfirmations | undefined;

  constructor(options: SecureSessionOptions) {
    this.#options = options;
    const { parameters, signer, minimumMembers, crypto } = options;
    this.#device = new SecAggClient({ parameters, signer, minimumMembers }, crypto);
  }

  /** Sends fresh keys, and learns the neighbours. */
  async advertise(signal: AbortSignal): Promise<void> {
    const advertisement = await this.#step(() => this.#device.advertise());
    const request = { ...this.#round, ...advertisement };
    const answer = await this.#ready(
      (client, waitMs) => client.call(Rounds.method.advertiseKeys, { ...request, waitMs }, signal, waitMs),
      signal,
    );
    const { member, cohortSize, threshold, neighbours } = answer;
    this.#neighbours = { member, cohortSize, threshold, neighbours };
  }

  /** Deals the neighbours shares, and takes theirs. */
  async dealShares(signal: AbortSignal): Promise<void> {
    const neighbours = came(this.#neighbours);
    const { selfMaskCommitment, shares } = await this.#step(() => this.#device.dealShares(neighbours));
    const sealed = shares.map(({ member, envelope }) => ({ member, ciphertext: envelope }));
    const request = { ...this.#round, selfMaskCommitment, shares: sealed };
    const answer = await this.#ready(
      (client, waitMs) => client.call(Rounds.method.shareKeys, { ...request, waitMs }, signal, waitMs),
      signal,
    );
    const opened = answer.shares.map(({ member, ciphertext }) => ({ member, envelope: ciphertext }));
    this.#delivery = { shares: opened, gone: answer.gone };
  }

  /** Masks the update. @returns what may leave the device */
  async mask(signal: AbortSignal): Promise<Uint8Array> {
    const delivery = came(this.#delivery);
    const { values } = this.#options;
    try {
      return (await this.#step(() => this.#device.maskVector(delivery, values, signal))).vector;
    } finally {
      values.fill(0);
      this.#delivery = undefined;
    }
  }

  /** Checks and signs who is in the sum, and takes what the neighbours signed. */
  async confirm(signal: AbortSignal): Promise<void> {
    const question = { ...this.#round, signature: new Uint8Array() };
    const { survivors } = await this.#ready(
      (client, waitMs) => client.call(Rounds.method.confirmSurvivors, { ...question, waitMs }, signal, waitMs),
      signal,
    );
    const confirmation = await this.#step(() => this.#device.confirmSurvivors({ survivors }));
    const request = { ...this.#round, ...confirmation };
    const { signatures } = await this.#ready(
      (client, waitMs) => client.call(Rounds.method.confirmSurvivors, { ...request, waitMs }, signal, waitMs),
      signal,
    );
    this.#confirmations = { signatures };
  }

  /** Checks that its neighbours signed the same, and reveals shares, once. */
  async unmask(signal: AbortSignal): Promise<void> {
    const confirmations = came(this.#confirmations);
    const { shares } = await this.#step(() => this.#device.unmask(confirmations));
    const revealed = shares.map(({ member, type, share }) => ({
      member,
      share: { case: type === "self-mask" ? ("selfMaskShare" as const) : ("maskKeyShare" as const), value: share },
    }));
    await this.#options.client.call(Rounds.method.unmask, { ...this.#round, shares: revealed }, signal);
  }

  /** Erases all secrets. */
  [Symbol.dispose](): void {
    this.#device.close();
    this.#options.values.fill(0);
  }

  get #round(): { readonly population: string; readonly round: bigint } {
    const { population, round } = this.#options;
    return { population, round: BigInt(round) };
  }

  /** Asks until the answer is there. The coordinator holds each call back as long as it may, so mostly once. */
  async #ready<Answer extends Pending>(
    ask: (client: CoordinatorClient, waitMs: number) => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { client, clock } = this.#options;
    for (;;) {
      const answer = await ask(client, await client.mayWaitMs(HELD_MS));
      if (answer.ready) return answer;
      await clock.wait(answer.retryAfterMs > 0 ? answer.retryAfterMs : ASK_AGAIN_MS, signal);
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

function came<Message>(message: Message | undefined): Message {
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
