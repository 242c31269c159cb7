// Who is in which arm: decided on the device by a secret that never leaves it. No server knows or can look up an arm.

import type { DeviceStore } from "@fedloop/client-runtime";
import { hmacSha256 } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";

/** One arm. Weights are whole numbers: 1 and 1 for halves, 90 and 10 for a small trial. */
export interface Arm {
  readonly name: string;
  readonly weight: number;
}

/** A test of several arms. */
export interface ExperimentDefinition {
  readonly id: string;
  /** From 1; another one assigns anew. */
  readonly version: number;
  readonly arms: readonly Arm[];
  /** Experiments of one layer exclude one another: each takes its own part of {@link LAYER_BUCKETS} buckets. */
  readonly layer?: { readonly id: string; readonly from: number; readonly to: number };
  /** What happened or did not happen to a person, counted at most once each. */
  readonly outcomes: readonly string[];
}

/** All tests of an app. */
export interface ExperimentsDefinition {
  readonly experiments: readonly ExperimentDefinition[];
  /** So many of {@link LAYER_BUCKETS} take part in no experiment: what they see is what all the experiments are held against. */
  readonly holdout?: { readonly id: string; readonly buckets: number };
}

/** What a device is in an experiment. */
export type Assignment =
  | { readonly type: "arm"; readonly arm: string }
  | { readonly type: "holdout" }
  | { readonly type: "outside-layer" };

/** Buckets of a layer and of a holdout. */
export const LAYER_BUCKETS = 10_000;
const SECRET_BYTES = 32;
const SECRET_KEY = "experiments/secret";

const id = z.string().check(z.regex(/^[a-z0-9][a-z0-9.-]{0,63}$/));
const bucket = z.int().check(z.gte(0), z.lte(LAYER_BUCKETS));
const definitionSchema = z.strictObject({
  experiments: z.array(
    z.strictObject({
      id,
      version: z.int().check(z.gte(1)),
      arms: z
        .array(z.strictObject({ name: id, weight: z.int().check(z.gte(0), z.lte(1_000_000)) }))
        .check(z.minLength(2), z.maxLength(64)),
      layer: z.optional(z.strictObject({ id, from: bucket, to: bucket })),
      outcomes: z.array(id).check(z.minLength(1), z.maxLength(64)),
    }),
  ),
  holdout: z.optional(z.strictObject({ id, buckets: bucket })),
});

function bad(sentence: string): FeedbackError {
  return new FeedbackError("BAD_EXPERIMENT", sentence);
}

function isRepeated(names: readonly string[]): boolean {
  return new Set(names).size < names.length;
}

function check({ experiments }: ExperimentsDefinition): void {
  if (isRepeated(experiments.map((each) => each.id))) throw bad("expected experiments of different ids, two have one");
  for (const { id: own, arms, outcomes, layer } of experiments) {
    if (isRepeated(arms.map(({ name }) => name))) throw bad(`${own}: two arms have one name`);
    if (isRepeated(outcomes)) throw bad(`${own}: two outcomes have one name`);
    if (arms.every(({ weight }) => weight === 0)) throw bad(`${own}: expected an arm with a weight above 0`);
    if (layer === undefined) continue;
    if (layer.from >= layer.to) throw bad(`${own}: expected a part of the layer with from below to`);
    const other = experiments.find(
      (each) =>
        each.id !== own && each.layer?.id === layer.id && each.layer.from < layer.to && layer.from < each.layer.to,
    );
    if (other !== undefined)
      throw bad(`${own} and ${other.id} overlap in the layer ${layer.id}; they would not exclude`);
  }
}

/** The assignments of one device. */
export class Experiments {
  readonly definition: ExperimentsDefinition;
  readonly #secret: Uint8Array;

  /**
   * @param definition the same for all devices; checked
   * @param secret the device's own 32 bytes: see {@link experimentSecret}
   * @throws FeedbackError BAD_EXPERIMENT, BAD_OPTION
   */
  constructor(definition: ExperimentsDefinition, secret: Uint8Array) {
    const parsed = z.safeParse(definitionSchema, definition);
    if (!parsed.success) {
      throw bad(`expected experiments as documented; look at ${parsed.error.issues[0]?.path.map(String).join(" › ")}`);
    }
    check(definition);
    if (secret.length !== SECRET_BYTES) {
      throw new FeedbackError("BAD_OPTION", `expected a secret of ${SECRET_BYTES} bytes, came ${secret.length}`);
    }
    this.definition = definition;
    this.#secret = secret.slice();
  }

  /** The definition of an experiment. @throws FeedbackError BAD_EXPERIMENT where there is none of that id */
  experiment(experimentId: string): ExperimentDefinition {
    const found = this.definition.experiments.find((each) => each.id === experimentId);
    if (found === undefined) throw bad(`there is no experiment "${experimentId}"`);
    return found;
  }

  /**
   * The same answer each time on this device, independent from experiment to experiment.
   *
   * @throws FeedbackError BAD_EXPERIMENT where there is no experiment of that id
   */
  assign(experimentId: string): Assignment {
    const { version, arms, layer } = this.experiment(experimentId);
    const { holdout } = this.definition;
    if (holdout !== undefined && this.#draw(`holdout ${holdout.id}`, LAYER_BUCKETS) < holdout.buckets) {
      return { type: "holdout" };
    }
    if (layer !== undefined) {
      const own = this.#draw(`layer ${layer.id}`, LAYER_BUCKETS);
      if (own < layer.from || own >= layer.to) return { type: "outside-layer" };
    }
    const total = arms.reduce((sum, { weight }) => sum + weight, 0);
    let left = this.#draw(`experiment ${experimentId} ${version}`, total);
    for (const { name, weight } of arms) {
      if (left < weight) return { type: "arm", arm: name };
      left -= weight;
    }
    throw bad(`${experimentId}: expected an arm for every draw`);
  }

  /** Uniform from 0 to bound − 1 up to 2^-40, by HMAC-SHA-256 of the label under the device's secret. */
  #draw(label: string, bound: number): number {
    const tag = hmacSha256(this.#secret, new TextEncoder().encode(`fedloop/1 ${label}`));
    const view = new DataView(tag.buffer, tag.byteOffset, 8);
    return Number((view.getBigUint64(0) * BigInt(bound)) >> 64n);
  }
}

/**
 * The device's secret for assignments, made at first use and kept in the store. Deleting it assigns anew.
 *
 * @param random cryptographic: whoever could guess the secret would know the person's arms
 */
export async function experimentSecret(store: DeviceStore, random: RandomSource): Promise<Uint8Array> {
  const known = await store.get(SECRET_KEY);
  if (known?.length === SECRET_BYTES) return known;
  const secret = new Uint8Array(SECRET_BYTES);
  random.fill(secret);
  await store.put(SECRET_KEY, secret);
  return secret;
}
