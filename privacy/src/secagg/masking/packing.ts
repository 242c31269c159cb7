import { SecAggError } from "../errors.js";

/** Bytes of `length` values of `bits` bits each, packed without gaps. */
export function packedLength(length: number, bits: number): number {
  return Math.ceil((length * bits) / 8);
}

/**
 * Packs residues modulo 2^bits one after the other, least significant bit first. Unused bits of the last byte are 0.
 *
 * @param residues higher bits than `bits` are dropped
 * @param bits 1 to 32
 */
export function packResidues(residues: Uint32Array, bits: number): Uint8Array {
  const packed = new Uint8Array(packedLength(residues.length, bits));
  const keep = lowBits(bits);
  let held = 0;
  let heldBits = 0;
  let written = 0;
  for (let i = 0; i < residues.length; i++) {
    const residue = ((residues[i] ?? 0) & keep) >>> 0;
    held = (held | (residue << heldBits)) >>> 0;
    // What did not fit into the 32 bits in hand; a shift by 32 would be a shift by 0.
    const spilled = heldBits === 0 ? 0 : residue >>> (32 - heldBits);
    heldBits += bits;
    if (heldBits >= 32) {
      packed[written] = held;
      packed[written + 1] = held >>> 8;
      packed[written + 2] = held >>> 16;
      packed[written + 3] = held >>> 24;
      written += 4;
      held = spilled;
      heldBits -= 32;
    }
  }
  for (; heldBits > 0; heldBits -= 8) {
    packed[written++] = held;
    held >>>= 8;
  }
  return packed;
}

/**
 * Reads `length` residues from packed bytes, from bit `8 × byteOffset` on.
 *
 * @param packed holds at least `packedLength(length, bits)` bytes from the offset
 */
export function unpackResidues(packed: Uint8Array, length: number, bits: number, byteOffset = 0): Uint32Array {
  const residues = new Uint32Array(length);
  const keep = lowBits(bits);
  let first = byteOffset;
  let shift = 0;
  for (let i = 0; i < length; i++) {
    const low =
      (packed[first] ?? 0) |
      ((packed[first + 1] ?? 0) << 8) |
      ((packed[first + 2] ?? 0) << 16) |
      ((packed[first + 3] ?? 0) << 24);
    const high = shift === 0 ? 0 : (packed[first + 4] ?? 0) << (32 - shift);
    residues[i] = ((low >>> shift) | high) & keep;
    shift += bits;
    first += shift >> 3;
    shift &= 7;
  }
  return residues;
}

/**
 * Refuses a packed vector of the wrong length, or with bits set after its last value: every vector has one encoding.
 *
 * @throws SecAggError WRONG_LENGTH, MALFORMED
 */
export function requirePacked(packed: Uint8Array, length: number, bits: number): void {
  const expected = packedLength(length, bits);
  if (packed.length !== expected) {
    throw new SecAggError(
      "WRONG_LENGTH",
      `${length} values of ${bits} bits are ${expected} bytes; ${packed.length} came.`,
    );
  }
  const unused = expected * 8 - length * bits;
  if (unused > 0 && (packed[expected - 1] ?? 0) >>> (8 - unused) !== 0) {
    throw new SecAggError("MALFORMED", `The last ${unused} bits of a vector must be 0.`);
  }
}

/**
 * Reads residues modulo 2^bits as the signed integers nearest to 0, in place.
 *
 * @returns the same memory
 */
export function centre(residues: Uint32Array, bits: number): Int32Array {
  const shift = 32 - bits;
  const signed = new Int32Array(residues.buffer, residues.byteOffset, residues.length);
  for (let i = 0; i < signed.length; i++) signed[i] = ((signed[i] ?? 0) << shift) >> shift;
  return signed;
}

function lowBits(bits: number): number {
  return bits === 32 ? -1 : 2 ** bits - 1;
}
