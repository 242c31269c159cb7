import { sha256 } from "@noble/hashes/sha2.js";
import { PrivacyError } from "../errors.js";

/** Domain of the hash that expands a rotation seed into signs. */
const DOMAIN: Uint8Array = new TextEncoder().encode("fedloop/rotation/v1");

/**
 * The random ±1 of a rotation, from a public seed that all devices of a round share. Bits are SHA-256 of the domain, the
 * seed and a counter (32 bits, little-endian); a set bit is −1.
 *
 * @param seed at least 16 bytes, the plan's
 * @param length how many
 * @throws PrivacyError WRONG_LENGTH
 */
export function rotationSigns(seed: Uint8Array, length: number): Int8Array {
  if (seed.length < 16) {
    throw new PrivacyError("WRONG_LENGTH", `A rotation seed needs at least 16 bytes, not ${seed.length}.`);
  }
  const message = new Uint8Array(DOMAIN.length + seed.length + 4);
  message.set(DOMAIN);
  message.set(seed, DOMAIN.length);
  const counter = new DataView(message.buffer, DOMAIN.length + seed.length);
  const signs = new Int8Array(length);
  for (let start = 0, block = 0; start < length; start += 256, block++) {
    counter.setUint32(0, block, true);
    const bits = sha256(message);
    const end = Math.min(256, length - start);
    for (let i = 0; i < end; i++) {
      signs[start + i] = ((bits[i >> 3] ?? 0) >> (i & 7)) & 1 ? -1 : 1;
    }
  }
  return signs;
}

/**
 * Rotates in place: random signs, then the Walsh–Hadamard transform scaled by 1/√d. It keeps norms and spreads every
 * vector evenly over its coordinates, so that few bits a coordinate suffice (Kairouz, Liu, Steinke 2021, section 4).
 *
 * @param values as many as a power of two
 * @param signs as many
 * @throws PrivacyError WRONG_LENGTH
 */
export function rotate(values: Float64Array, signs: Int8Array): void {
  requireSigns(values, signs);
  for (let i = 0; i < values.length; i++) {
    values[i] = (values[i] ?? 0) * (signs[i] ?? 0);
  }
  walshHadamard(values);
  scale(values);
}

/** Undoes `rotate`, in place: the transform is its own inverse. */
export function unrotate(values: Float64Array, signs: Int8Array): void {
  requireSigns(values, signs);
  walshHadamard(values);
  scale(values);
  for (let i = 0; i < values.length; i++) {
    values[i] = (values[i] ?? 0) * (signs[i] ?? 0);
  }
}

function requireSigns(values: Float64Array, signs: Int8Array): void {
  const length = values.length;
  if (signs.length !== length || length === 0 || (length & (length - 1)) !== 0) {
    throw new PrivacyError(
      "WRONG_LENGTH",
      `A rotation needs a power of two of values and as many signs, not ${length} and ${signs.length}.`,
    );
  }
}

function scale(values: Float64Array): void {
  const factor = 1 / Math.sqrt(values.length);
  for (let i = 0; i < values.length; i++) {
    values[i] = (values[i] ?? 0) * factor;
  }
}

/**
 * The Walsh–Hadamard transform, unscaled and in place, of a power of two of values. Two levels at a time, which halves the passes over memory; one level first when their number is odd.
 */
export function walshHadamard(values: Float64Array): void {
  const length = values.length;
  let half = 1;
  if (Math.log2(length) % 2 === 1) {
    for (let i = 0; i < length; i += 2) {
      const a = values[i] ?? 0;
      const b = values[i + 1] ?? 0;
      values[i] = a + b;
      values[i + 1] = a - b;
    }
    half = 2;
  }
  for (; half < length; half *= 4) {
    for (let start = 0; start < length; start += 4 * half) {
      for (let i = start; i < start + half; i++) {
        const a = values[i] ?? 0;
        const b = values[i + half] ?? 0;
        const c = values[i + 2 * half] ?? 0;
        const d = values[i + 3 * half] ?? 0;
        const plus = a + b;
        const minus = a - b;
        const high = c + d;
        const low = c - d;
        values[i] = plus + high;
        values[i + half] = minus + low;
        values[i + 2 * half] = plus - high;
        values[i + 3 * half] = minus - low;
      }
    }
  }
}
