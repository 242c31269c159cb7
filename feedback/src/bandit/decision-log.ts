// The decisions of a bandit on this device, with their propensities: kept here, and only here.
import type { DeviceStore } from "@fedloop/client-runtime";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";
import type { ArmMoments, Bandit } from "./bandit.js";

/** A decision and what came of it. */
export interface Decision {
  readonly context: readonly number[];
  readonly arm: string;
  readonly propensity: number;
  /** From 0 to 1. */
  readonly reward: number;
}

const PREFIX = "bandit/";
/** So many of the newest decisions are kept. */
export const DECISIONS_KEPT = 1_000;
const logSchema = z.array(
  z.strictObject({ context: z.array(z.number()), arm: z.string(), propensity: z.number(), reward: z.number() }),
);

/** A log of decisions under a name. */
export class DecisionLog {
  readonly #store: DeviceStore;
  readonly #key: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: DeviceStore, name: string) {
    this.#store = store;
    this.#key = PREFIX + name;
  }

  /** Adds a decision whose reward is known. */
  add(decision: Decision): Promise<void> {
    const added = this.#last.then(async () => {
      const kept = [...(await this.#read()), decision].slice(-DECISIONS_KEPT);
      await this.#store.put(this.#key, new TextEncoder().encode(JSON.stringify(kept)));
    });
    this.#last = added.catch(() => {});
    return added;
  }

  /** All decisions, oldest first. @throws FeedbackError LOG_CORRUPT */
  async all(): Promise<readonly Decision[]> {
    await this.#last;
    return this.#read();
  }

  /** Teaches a bandit what was decided before. */
  async teach(bandit: Bandit): Promise<void> {
    for (const { context, arm, reward } of await this.all()) {
      if (bandit.arms.includes(arm)) bandit.learn(context, arm, reward);
    }
  }

  async erase(): Promise<void> {
    await this.#last;
    await this.#store.delete(this.#key);
  }

  async #read(): Promise<readonly Decision[]> {
    const bytes = await this.#store.get(this.#key);
    if (bytes === undefined) return [];
    try {
      return z.parse(logSchema, JSON.parse(new TextDecoder().decode(bytes)));
    } catch {
      throw new FeedbackError("LOG_CORRUPT", "expected a log of decisions, came something else; erase it");
    }
  }
}

/**
 * The device's part in the prior of an arm: sums over its decisions, which only leave it in a secure, noised sum.
 *
 * @param dimension of the contexts
 */
export function armMoments(decisions: readonly Decision[], arm: string, dimension: number): ArmMoments {
  const own = decisions.filter((each) => each.arm === arm);
  const gram = Array.from({ length: dimension * dimension }, () => 0);
  const rewards = Array.from({ length: dimension }, () => 0);
  for (const { context, reward } of own) {
    for (let i = 0; i < dimension; i++) {
      rewards[i] = (rewards[i] ?? 0) + reward * (context[i] ?? 0);
      for (let j = 0; j < dimension; j++) {
        gram[i * dimension + j] = (gram[i * dimension + j] ?? 0) + (context[i] ?? 0) * (context[j] ?? 0);
      }
    }
  }
  return { decisions: own.length, gram, rewards };
}
