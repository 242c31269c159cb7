import { createCipheriv } from "node:crypto";
import { PIECE_COORDINATES } from "./accumulator.js";
import { discard } from "./discard.node.js";
import type { MaskExpander, MaskStream } from "./expander.js";

const FIRST_COUNTER = new Uint8Array(16);
/** The longest piece: 32 bits a coordinate. */
const ZEROS = new Uint8Array(PIECE_COORDINATES * 4);

/** AES-256-CTR by node:crypto, at once: up to 4 GB/s on one core. */
export function nodeExpander(): MaskExpander {
  return {
    expand(key): MaskStream {
      const cipher = createCipheriv("aes-256-ctr", key, FIRST_COUNTER);
      return { next: (byteLength) => cipher.update(ZEROS.subarray(0, byteLength)), release: discard };
    },
  };
}
