import {
  ClientError,
  type Clock,
  type JoinOptions,
  memoryStore,
  Participant,
  type ParticipationEvent,
  type Trainer,
  type Transport,
} from "@fedloop/client-runtime";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { POPULATION, PURPOSE } from "./plans.js";

/** The longest that a test's participant waits for anything, in milliseconds. */
const LONGEST_WAIT_MS = 25;

/** The platform's time; but who is told to come back in a while comes back at once. */
export const briskClock: Clock = {
  now: () => Date.now(),
  wait: (ms, signal) =>
    new Promise((resolve, reject) => {
      const aborted = (): void => {
        clearTimeout(timer);
        reject(new ClientError("ABORTED", "the wait was aborted"));
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        },
        Math.min(ms, LONGEST_WAIT_MS),
      );
      if (signal?.aborted === true) aborted();
      else signal?.addEventListener("abort", aborted, { once: true });
    }),
};

/** Answers every round with the same number in all coordinates, and counts how often it was asked. */
export class ConstantTrainer implements Trainer {
  readonly id = "test";
  readonly value: number;
  trained = 0;
  evaluated = 0;

  constructor(value: number) {
    this.value = value;
  }

  async train({ updateLength }: { readonly updateLength: number }): Promise<{ update: Float32Array }> {
    this.trained += 1;
    return { update: new Float32Array(updateLength).fill(this.value) };
  }

  async evaluate({ updateLength }: { readonly updateLength: number }): Promise<Float32Array> {
    this.evaluated += 1;
    return new Float32Array(updateLength).fill(this.value);
  }
}

/** A trainer that tells when it begins and goes on when it is let go: a device that is slow, or gone for good. */
export class HeldTrainer extends ConstantTrainer {
  readonly begun: Promise<void>;
  #begin: () => void = () => undefined;
  readonly #go: Promise<void>;
  letGo: () => void = () => undefined;

  constructor(value: number) {
    super(value);
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.#go = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  override async train(task: { readonly updateLength: number }): Promise<{ update: Float32Array }> {
    this.#begin();
    await this.#go;
    return super.train(task);
  }
}

/** Floors of someone who is here to test the coordinator, not the guard. */
const TRUSTING = {
  allowNoNoise: true,
  minimumNoiseMultiplier: 0,
  maximumEpsilonPerRound: 1e6,
  maximumEpsilon: 1e6,
  requireSecureAggregation: false,
  minimumCohort: 1,
};

export const TERMS: JoinOptions["consent"] = {
  purposes: [PURPOSE],
  decide: () => true,
  dataCategories: ["lecture ratings"],
  storage: "on the device",
  retention: "until withdrawn",
  jurisdiction: "CH",
  withdrawal: "participant.withdraw()",
  interface: "test",
};

/** Enrolls a participant and has it decide. */
export function joinAs(transport: Transport, overrides: Partial<JoinOptions> = {}): Promise<Participant> {
  return Participant.join({
    population: POPULATION,
    transport,
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier: nodeVerifier(),
    trainer: new ConstantTrainer(1),
    consent: TERMS,
    floors: TRUSTING,
    clock: briskClock,
    sha256: nodeSha256,
    // A coordinator that was killed is back in seconds: who has come before waits for it.
    retry: { attempts: 2_000, firstMs: 10, longestMs: 10 },
    ...overrides,
  });
}

/** Takes part until there are no more rounds or the signal is aborted. @returns all that the app was told */
export async function takePart(participant: Participant, signal: AbortSignal): Promise<ParticipationEvent[]> {
  const events: ParticipationEvent[] = [];
  for await (const event of participant.run({ signal })) events.push(event);
  return events;
}
