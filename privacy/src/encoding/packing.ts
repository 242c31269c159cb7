import { PrivacyError } from "../errors.js";
import { requireInteger } from "../parameters.js";

/**
 * @param length how many integers
 * @param bits bits of each
 * @returns bytes that they take when packed, ceil(length · bits / 8)
 */
export function packedBytes(length: number, bits: number): number {
  return Math.ceil((length * bits) / 8);
}

/**
 * Packs integers as two's complement of `bits` bits, least significant bit first, with no gap between them; the
 * unused high bits of the last byte are zero.
 *
 * @param values each in [−2^(bits−1), 2^(bits−1))
 * @param bits 2 to 32
 * @returns exactly ceil(length · bits / 8) bytes
 * @throws PrivacyError OUT_OF_RANGE when a value does not fit; INVALID_PARAMETER
 */
export function packSigned(values: Int32Array, bits: number): Uint8Array {
  requireInteger("bits", bits, 2, 32);
  requireFits(values, bits);
  const out = new Uint8Array(packedBytes(values.length, bits));
  if (bits === 16) {
    pack16(values, out);
  } else if (bits === 32) {
    pack32(values, out);
  } else {
    packAny(values, bits, out);
  }
  return out;
}

/**
 * The inverse of `packSigned`.
 *
 * @param bytes packed integers
 * @param length how many they are
 * @param bits 2 to 32
 * @throws PrivacyError WRONG_LENGTH when the byte count is not exact; OUT_OF_RANGE when padding bits are set
 */
export function unpackSigned(bytes: Uint8Array, length: number, bits: number): Int32Array {
  requireInteger("bits", bits, 2, 32);
  requireInteger("length", length, 0, 2 ** 31 - 1);
  const expected = packedBytes(length, bits);
  if (bytes.length !== expected) {
    throw new PrivacyError(
      "WRONG_LENGTH",
      `${length} integers of ${bits} bits take ${expected} bytes, but ${bytes.length} came.`,
    );
  }
  const padding = expected * 8 - length * bits;
  if (padding > 0 && (bytes[expected - 1] ?? 0) >>> (8 - padding) !== 0) {
    throw new PrivacyError("OUT_OF_RANGE", `The ${padding} unused high bits of the last byte must be zero.`);
  }
  const out = new Int32Array(length);
  if (bits === 16) {
    unpack16(bytes, out);
  } else if (bits === 32) {
    unpack32(bytes, out);
  } else {
    unpackAny(bytes, bits, out);
  }
  return out;
}

function requireFits(values: Int32Array, bits: number): void {
  // v ^ (v >> 31) is v for v ≥ 0 and −v−1 below, so the value fits exactly when no bit from bits−1 up is set.
  let seen = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    seen |= value ^ (value >> 31);
  }
  if (seen >>> (bits - 1) !== 0) {
    const index = values.findIndex((value) => (value ^ (value >> 31)) >>> (bits - 1) !== 0);
    throw new PrivacyError("OUT_OF_RANGE", `Entry ${index} does not fit ${bits} bits. Use more bits, or clip further.`);
  }
}

function pack16(values: Int32Array, out: Uint8Array): void {
  for (let i = 0, at = 0; i < values.length; i++, at += 2) {
    const value = values[i] ?? 0;
    out[at] = value;
    out[at + 1] = value >> 8;
  }
}

function unpack16(bytes: Uint8Array, out: Int32Array): void {
  for (let i = 0, at = 0; i < out.length; i++, at += 2) {
    out[i] = (((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)) << 16) >> 16;
  }
}

function pack32(values: Int32Array, out: Uint8Array): void {
  for (let i = 0, at = 0; i < values.length; i++, at += 4) {
    const value = values[i] ?? 0;
    out[at] = value;
    out[at + 1] = value >> 8;
    out[at + 2] = value >> 16;
    out[at + 3] = value >> 24;
  }
}

function unpack32(bytes: Uint8Array, out: Int32Array): void {
  for (let i = 0, at = 0; i < out.length; i++, at += 4) {
    out[i] =
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
  }
}

/** An accumulator holds fewer than 8 bits between pushes, so 24 more fit a 32-bit integer; wider values go in two. */
function packAny(values: Int32Array, bits: number, out: Uint8Array): void {
  const low = Math.min(bits, 16);
  const high = bits - low;
  const lowMask = (1 << low) - 1;
  const highMask = (1 << high) - 1;
  let pending = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    pending |= (value & lowMask) << held;
    held += low;
    while (held >= 8) {
      out[at++] = pending;
      pending >>>= 8;
      held -= 8;
    }
    if (high > 0) {
      pending |= ((value >> 16) & highMask) << held;
      held += high;
      while (held >= 8) {
        out[at++] = pending;
        pending >>>= 8;
        held -= 8;
      }
    }
  }
  if (held > 0) {
    out[at] = pending;
  }
}

function unpackAny(bytes: Uint8Array, bits: number, out: Int32Array): void {
  const low = Math.min(bits, 16);
  const high = bits - low;
  const lowMask = (1 << low) - 1;
  const highMask = (1 << high) - 1;
  const extend = 32 - bits;
  let pending = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < out.length; i++) {
    while (held < low) {
      pending |= (bytes[at++] ?? 0) << held;
      held += 8;
    }
    let value = pending & lowMask;
    pending >>>= low;
    held -= low;
    if (high > 0) {
      while (held < high) {
        pending |= (bytes[at++] ?? 0) << held;
        held += 8;
      }
      value |= (pending & highMask) << 16;
      pending >>>= high;
      held -= high;
    }
    out[i] = (value << extend) >> extend;
  }
}
