/**
 * A sum modulo 2^bits over `length` coordinates, to which masks and vectors are added and dropped. Two implementations
 * (plain JavaScript and WebAssembly SIMD) give the same bytes.
 *
 * A mask is a keystream read as packed residues of `streamBits(bits)` bits each, least significant bit first. A group
 * of 8 coordinates takes `streamBits` whole bytes.
 */
export interface MaskAccumulator {
  readonly length: number;
  readonly bits: number;
  /**
   * Adds or subtracts a piece of keystream.
   *
   * @param first coordinate it starts at, a multiple of 8
   * @param stream whole groups; what goes beyond the last coordinate is ignored
   */
  addStream(first: number, stream: Uint8Array, sign: 1 | -1): void;
  /** Adds a packed vector of all coordinates (`requirePacked`). */
  addPacked(packed: Uint8Array): void;
  /** Adds integers, taken modulo 2^bits, one a coordinate. */
  addValues(values: Int32Array | Uint32Array): void;
  /** The sum as residues, a copy. Nothing can be added after it; the memory is erased. */
  finish(): Uint32Array;
  /** The sum as a packed vector. Nothing can be added after it; the memory is erased. */
  finishPacked(): Uint8Array;
  /** Erases the sum. */
  close(): void;
}

/**
 * Bits of keystream that make one coordinate of a mask. Up to 26 bits a residue and the position it starts at fit into
 * 32 bits wherever it starts, which is what makes the SIMD kernel short; wider sums take whole words.
 */
export function streamBits(bits: number): number {
  return bits <= 26 ? bits : 32;
}

/**
 * Coordinates that are masked in one piece: 36 to 40 KiB of keystream at 18 to 20 bits. Smaller pieces cost calls,
 * larger ones leave the processor's cache before they are added.
 */
export const PIECE_COORDINATES = 16_384;

/** Coordinates that fill whole bytes at any width. */
export const GROUP_COORDINATES = 8;

/** Bytes of keystream for `coordinates`, rounded up to whole groups. */
export function streamLength(coordinates: number, bits: number): number {
  return Math.ceil(coordinates / GROUP_COORDINATES) * streamBits(bits);
}
