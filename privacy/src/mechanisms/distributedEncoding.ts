import { rotate, rotationSigns, unrotate } from "../encoding/rotation.js";
import { quantise } from "../encoding/rounding.js";
import { PrivacyError } from "../errors.js";
import { DiscreteGaussianSampler } from "../random/gaussianSampler.js";
import { SkellamSampler } from "../random/poissonSampler.js";
import type { RandomSource } from "../random/source.js";
import { clipL2 } from "./clipping.js";
import type { DistributedMechanism } from "./distributed.js";

/**
 * What a device hands to secure aggregation: its update clipped, padded, rotated, rounded and noised, as integers.
 *
 * @param update `dimension` numbers; clipped in place
 * @param mechanism from `distributedMechanism`
 * @param rotationSeed the round's public seed, the same on every device
 * @param random the device's cryptographic source
 * @returns `length` integers of magnitude at most `valueBound`
 * @throws PrivacyError WRONG_LENGTH, NON_FINITE
 */
export function encodeDistributed(
  update: Float32Array,
  mechanism: DistributedMechanism,
  rotationSeed: Uint8Array,
  random: RandomSource,
): Int32Array {
  requireLength("update", update.length, mechanism.dimension);
  clipL2(update, mechanism.clipNorm);
  const padded = new Float64Array(mechanism.length);
  padded.set(update);
  rotate(padded, rotationSigns(rotationSeed, mechanism.length));
  const integers = quantise(padded, mechanism.quantisation, random);
  padded.fill(0);
  const noise = new Int32Array(mechanism.length);
  fillNoise(noise, mechanism, random);
  // At most `valueBound`, so that the reduction modulo 2^bits changes nothing before the masks are added.
  for (let i = 0; i < integers.length; i++) {
    integers[i] = (integers[i] ?? 0) + (noise[i] ?? 0);
  }
  noise.fill(0);
  return integers;
}

function fillNoise(out: Int32Array, mechanism: DistributedMechanism, random: RandomSource): void {
  const { noise, deviceNoiseStdDev } = mechanism;
  if (noise === "skellam") {
    new SkellamSampler(deviceNoiseStdDev, random).fill(out);
  } else {
    new DiscreteGaussianSampler(deviceNoiseStdDev, random).fill(out);
  }
}

/**
 * What the server makes of a secure sum: centred, scaled and rotated back.
 *
 * @param sum `length` integers modulo 2^bits, any representative; not changed
 * @param mechanism from `distributedMechanism`
 * @param rotationSeed the round's public seed
 * @returns the noised sum of the clipped updates, `dimension` numbers
 * @throws PrivacyError WRONG_LENGTH
 */
export function decodeDistributed(
  sum: Int32Array | Float64Array,
  mechanism: DistributedMechanism,
  rotationSeed: Uint8Array,
): Float32Array {
  requireLength("sum", sum.length, mechanism.length);
  const { bits, granularity } = mechanism.quantisation;
  const values = new Float64Array(mechanism.length);
  for (let i = 0; i < values.length; i++) {
    values[i] = wrap(sum[i] ?? 0, bits) * granularity;
  }
  unrotate(values, rotationSigns(rotationSeed, mechanism.length));
  return Float32Array.from(values.subarray(0, mechanism.dimension));
}

/** The representative modulo 2^bits in [−2^(bits−1), 2^(bits−1)). */
function wrap(value: number, bits: number): number {
  const modulus = 2 ** bits;
  if (value >= -modulus / 2 && value < modulus / 2) {
    return value;
  }
  const residue = value - modulus * Math.floor(value / modulus);
  return residue >= modulus / 2 ? residue - modulus : residue;
}

function requireLength(name: string, length: number, expected: number): void {
  if (length !== expected) {
    throw new PrivacyError("WRONG_LENGTH", `The ${name} must have ${expected} coordinates, not ${length}.`);
  }
}
