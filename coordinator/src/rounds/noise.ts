import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { addCentralNoise, type CentralGaussian, dequantise, type RandomSource } from "@fedloop/privacy";
import type { CollectedSum, UpdateFormat } from "./aggregator.js";

/** Coordinates between two turns of the event loop: a few milliseconds of sampling. */
const SLICE = 16_384;

/**
 * Turns the collected sum into what may be seen: noise on the integers, then the plan's scale. Works in slices, so
 * that the server goes on answering.
 *
 * @returns Σ with noise, in the model's units; length of the update
 */
export async function releaseSum(
  sum: CollectedSum,
  format: UpdateFormat,
  mechanism: CentralGaussian | null,
  random: RandomSource,
): Promise<Float32Array> {
  const values = sum.values;
  if (format.encoding === "float32") return Float32Array.from(values);
  if (mechanism === null) return dequantise(values, format.quantisation);
  for (let start = 0; start < values.length; start += SLICE) {
    addCentralNoise(values.subarray(start, start + SLICE), mechanism, random);
    await yieldToEventLoop();
  }
  return dequantise(values, mechanism.quantisation);
}

/** Standard deviation of the noise in each coordinate of a released sum, in the model's units. */
export function releasedNoiseStdDev(mechanism: CentralGaussian | null): number {
  return mechanism === null ? 0 : mechanism.noiseStdDev * mechanism.quantisation.granularity;
}
