import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import {
  addCentralNoise,
  type CorrelatedNoise,
  decodeDistributed,
  dequantise,
  type RandomSource,
} from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";
import type { Strategy } from "../strategies/strategy.js";
import type { Collected, CollectedSum, UpdateFormat } from "./aggregator.js";
import type { RoundNoise, RoundSpec } from "./round-spec.js";

/** Sums of groups are exact integers within a double. */
const SUM_BITS = 53;

/** Coordinates between two turns of the event loop: a few milliseconds of sampling. */
const SLICE = 16_384;

/**
 * Turns the collected sum into what may be seen: noise on the integers, then the plan's scale. Works in slices, so
 * that the server goes on answering.
 *
 * @param run the run's noise, which goes on by a step; null for a round by itself
 * @param rotationSeed the leaf hash of the round's plan, which devices rotate by too
 * @returns Σ with noise, in the model's units; length of the update
 */
export async function releaseSum(
  sum: CollectedSum,
  format: UpdateFormat,
  mechanism: RoundNoise | null,
  random: RandomSource,
  run: CorrelatedNoise | null,
  rotationSeed: Uint8Array,
): Promise<Float32Array> {
  const values = sum.values;
  if (format.encoding === "float32") return Float32Array.from(values);
  if (mechanism === null) return dequantise(values, format.quantisation);
  if (mechanism.at === "devices") {
    // Groups' sums are centred each by itself; what they add up to may exceed the bits of one.
    const quantisation = { ...mechanism.quantisation, bits: SUM_BITS };
    return decodeDistributed(values, { ...mechanism, quantisation }, rotationSeed);
  }
  if (mechanism.at === "run") {
    if (run === null) throw new CoordinatorError("INTERNAL", "expected the run's noise in a round of a run");
    for (const _ of run.addInSlices(values, SLICE)) await yieldToEventLoop();
    return dequantise(values, mechanism.quantisation);
  }
  for (let start = 0; start < values.length; start += SLICE) {
    addCentralNoise(values.subarray(start, start + SLICE), mechanism, random);
    await yieldToEventLoop();
  }
  return dequantise(values, mechanism.quantisation);
}

/** What a released estimate is made with. */
export interface Estimation {
  readonly strategy: Strategy;
  readonly spec: Pick<RoundSpec, "format" | "mechanism" | "secureAggregation">;
  readonly random: RandomSource;
  /** The run's noise, which goes on by a step; null for a round by itself. */
  readonly run: CorrelatedNoise | null;
  /** The leaf hash of the round's plan. */
  readonly rotationSeed: Uint8Array;
}

/**
 * What of a round's updates is made durable: their sum with noise, or a robust strategy's estimate of their mean. The sums of
 * groups get their noise each by itself, as if no other were released: a participant is in one of them, so that a round costs
 * what one sum with that noise costs, and the estimate is a function of released values.
 */
export async function releaseCollected(collected: Collected, estimation: Estimation): Promise<Float32Array> {
  const { strategy, spec, random, run, rotationSeed } = estimation;
  const { format, mechanism } = spec;
  if ("values" in collected) return releaseSum(collected, format, mechanism, random, run, rotationSeed);
  if (strategy.family === "sum") throw new CoordinatorError("INTERNAL", "expected a sum, came its parts");
  if ("updates" in collected) return strategy.combine(collected.updates);
  const target = groupTargetOf(spec);
  const means: Float32Array[] = [];
  for (const values of collected.groups) {
    const released = await releaseSum({ values }, format, mechanism, random, null, rotationSeed);
    means.push(released.map((value) => value / target));
  }
  return strategy.combine(means);
}

/** Members that a group aims for. */
export function groupTargetOf({ secureAggregation }: Pick<RoundSpec, "secureAggregation">): number {
  if (secureAggregation.enabled) return secureAggregation.parameters.groupTarget;
  throw new CoordinatorError("INTERNAL", "expected groups of secure aggregation");
}

/**
 * Standard deviation of the noise in each coordinate of a released sum, in the model's units.
 *
 * @param members whose noise is in the sum, where devices add it
 */
export function releasedNoiseStdDev(mechanism: RoundNoise | null, members: number): number {
  if (mechanism === null) return 0;
  const { granularity } = mechanism.quantisation;
  if (mechanism.at === "coordinator") return mechanism.noiseStdDev * granularity;
  // That of the fresh noise of a step; what correlates with steps before takes from their sum.
  if (mechanism.at === "run") return mechanism.noiseStdDev * 2 ** -mechanism.latticeBits * granularity;
  return mechanism.deviceNoiseStdDev * Math.sqrt(members) * granularity;
}
