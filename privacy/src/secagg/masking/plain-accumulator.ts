import { SecAggError } from "../errors.js";
import { GROUP_COORDINATES, type MaskAccumulator, streamBits } from "./accumulator.js";
import { packResidues, unpackResidues } from "./packing.js";

/** Coordinates unpacked at a time; bounds the scratch memory. */
const BLOCK_COORDINATES = 8_192;

/**
 * The reference: plain JavaScript over a Uint32Array. Used where WebAssembly SIMD is missing or forbidden.
 *
 * @param length coordinates
 * @param bits 1 to 32
 */
export function plainAccumulator(length: number, bits: number): MaskAccumulator {
  let sum: Uint32Array | undefined = new Uint32Array(length);

  function open(): Uint32Array {
    if (sum === undefined) throw new SecAggError("WRONG_STATE", "This sum is finished; start another.");
    return sum;
  }

  function addUnpacked(target: Uint32Array, first: number, packed: Uint8Array, width: number, sign: 1 | -1): void {
    const count = Math.min(length - first, Math.floor((packed.length * 8) / width));
    for (let done = 0; done < count; done += BLOCK_COORDINATES) {
      const size = Math.min(BLOCK_COORDINATES, count - done);
      const residues = unpackResidues(packed, size, width, (done / GROUP_COORDINATES) * width);
      for (let i = 0; i < size; i++) {
        const at = first + done + i;
        const residue = residues[i] ?? 0;
        // Integer arithmetic throughout: sums of doubles would be three times as slow.
        target[at] = ((target[at] ?? 0) + (sign === 1 ? residue : -residue)) | 0;
      }
    }
  }

  function take(): Uint32Array {
    const residues = open();
    sum = undefined;
    if (bits < 32) {
      const keep = 2 ** bits - 1;
      for (let i = 0; i < residues.length; i++) residues[i] = (residues[i] ?? 0) & keep;
    }
    return residues;
  }

  return {
    length,
    bits,
    addStream: (first, stream, sign) => addUnpacked(open(), first, stream, streamBits(bits), sign),
    addPacked: (packed) => addUnpacked(open(), 0, packed, bits, 1),
    addValues(values) {
      const target = open();
      for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) + (values[i] ?? 0);
    },
    finish: take,
    finishPacked() {
      const residues = take();
      const packed = packResidues(residues, bits);
      residues.fill(0);
      return packed;
    },
    close() {
      sum?.fill(0);
      sum = undefined;
    },
  };
}
