import { SecAggError } from "../errors.js";
import { GROUP_COORDINATES, type MaskAccumulator, PIECE_COORDINATES, streamBits } from "./accumulator.js";
import { packedLength, unpackResidues } from "./packing.js";
import { giveBackKernel, takeKernel } from "./wasm-kernel.js";

// Layout of the kernel's memory, in bytes.
const TABLE = 0;
const TABLE_BYTES = 128;
const SCRATCH = TABLE + TABLE_BYTES;
/** One piece as words, or as a keystream of at most 32 bits a coordinate, and what the kernel reads past it. */
const SCRATCH_BYTES = PIECE_COORDINATES * 4 + 32;
const SUM = SCRATCH + SCRATCH_BYTES;

/**
 * The same sums as `plainAccumulator` in WebAssembly SIMD (kernel/kernel.as), 0.2 ms a million coordinates.
 *
 * @param length coordinates
 * @param bits 1 to 32
 * @throws SecAggError CRYPTO_UNAVAILABLE where WebAssembly SIMD is missing or a content policy forbids it
 */
export function wasmAccumulator(length: number, bits: number): MaskAccumulator {
  const groups = Math.ceil(length / GROUP_COORDINATES);
  const width = streamBits(bits);
  const usedBytes = SUM + groups * GROUP_COORDINATES * 4;
  const kernel = takeKernel(usedBytes);
  const { memory, addStream, addWords, finish, pack } = kernel;
  const bytes = new Uint8Array(memory.buffer, 0, usedBytes);
  const scratchWords = new Uint32Array(memory.buffer, SCRATCH, PIECE_COORDINATES);
  writeTable(new DataView(memory.buffer, TABLE, TABLE_BYTES), bits, width);
  let open = true;

  function requireOpen(): void {
    if (!open) throw new SecAggError("WRONG_STATE", "This sum is finished; start another.");
  }

  function close(): void {
    if (!open) return;
    open = false;
    bytes.fill(0);
    giveBackKernel(kernel);
  }

  function addPiece(first: number, stream: Uint8Array, sign: 1 | -1): void {
    const room = groups - first / GROUP_COORDINATES;
    const size = Math.min(room, Math.floor(stream.length / width));
    bytes.set(stream.subarray(0, size * width), SCRATCH);
    addStream(SUM + first * 4, SCRATCH, size, width, TABLE, sign === -1 ? 1 : 0);
  }

  function addPieces(first: number, stream: Uint8Array, sign: 1 | -1): void {
    const pieceBytes = (PIECE_COORDINATES / GROUP_COORDINATES) * width;
    for (let from = 0; from < stream.length; from += pieceBytes) {
      const coordinate = first + (from / width) * GROUP_COORDINATES;
      addPiece(coordinate, stream.subarray(from, from + pieceBytes), sign);
    }
  }

  function addPieceOfWords(first: number, words: Uint32Array | Int32Array): void {
    const size = Math.ceil(words.length / GROUP_COORDINATES);
    scratchWords.set(words);
    scratchWords.fill(0, words.length, size * GROUP_COORDINATES);
    addWords(SUM + first * 4, SCRATCH, size, TABLE);
  }

  /** Vectors are packed at `bits`; where that is no width of the kernel's, or ends in half a group, unpack them here. */
  function addPackedTail(packed: Uint8Array, from: number): void {
    for (let first = from; first < length; first += PIECE_COORDINATES) {
      const count = Math.min(PIECE_COORDINATES, length - first);
      const byteOffset = (first / GROUP_COORDINATES) * bits;
      addPieceOfWords(first, unpackResidues(packed, count, bits, byteOffset));
    }
  }

  return {
    length,
    bits,
    addStream(first, stream, sign) {
      requireOpen();
      addPieces(first, stream, sign);
    },
    addPacked(packed) {
      requireOpen();
      const wholeGroups = width === bits ? Math.floor(length / GROUP_COORDINATES) : 0;
      addPieces(0, packed.subarray(0, wholeGroups * width), 1);
      addPackedTail(packed, wholeGroups * GROUP_COORDINATES);
    },
    addValues(values) {
      requireOpen();
      for (let first = 0; first < length; first += PIECE_COORDINATES) {
        addPieceOfWords(first, values.subarray(first, Math.min(length, first + PIECE_COORDINATES)));
      }
    },
    finish() {
      requireOpen();
      finish(SUM, groups, bits, TABLE);
      const residues = new Uint32Array(memory.buffer, SUM, length).slice();
      close();
      return residues;
    },
    finishPacked() {
      requireOpen();
      finish(SUM, groups, bits, TABLE);
      pack(SUM, SUM, length, bits);
      const packed = bytes.slice(SUM, SUM + packedLength(length, bits));
      close();
      return packed;
    },
    close,
  };
}

/** See the head of kernel/kernel.as for what the table means. */
function writeTable(table: DataView, bits: number, width: number): void {
  for (let lane = 0; lane < GROUP_COORDINATES; lane++) {
    const half = lane >> 2;
    const start = lane * width - 8 * half * (width >> 1);
    const startBit = start & 7;
    for (let byte = 0; byte < 4; byte++) table.setUint8(16 * half + 4 * (lane & 3) + byte, (start >> 3) + byte);
    const word = 16 * half + 4 * (lane & 3);
    table.setUint32(32 + word, width === 32 ? 0xffff_ffff : (2 ** width - 1) * 2 ** startBit, true);
    table.setUint32(64 + word, 2 ** startBit, true);
    table.setUint32(96 + word, 2 ** (32 - bits - startBit), true);
  }
}
