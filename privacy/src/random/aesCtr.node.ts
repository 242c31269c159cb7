import { type Cipher, createCipheriv, randomBytes } from "node:crypto";
import type { RandomSource } from "./source.js";

/** Between 16 and 256 KiB a call, node:crypto gives over 3 GB/s; above, the output allocation costs. */
const CHUNK_BYTES = 65_536;
const ZEROS: Uint8Array = new Uint8Array(CHUNK_BYTES);

/** A key serves 2^30 bytes, far below the 2^64 blocks at which CTR becomes distinguishable; then a fresh one is drawn. */
const BYTES_PER_KEY = 2 ** 30;

/**
 * AES-256-CTR keystream under keys drawn from the operating system: as strong as AES, and faster than asking the
 * system for every byte. Used bytes are overwritten in the buffer, and keys are replaced every GiB.
 *
 * @returns a source for the samplers; not for sharing between worker threads, each makes its own
 */
export function aesCtrRandom(): RandomSource {
  let cipher: Cipher = freshCipher();
  let keyBytes = 0;
  let block: Uint8Array = new Uint8Array(0);
  let used = 0;

  const nextBlock = (): void => {
    if (keyBytes >= BYTES_PER_KEY) {
      cipher = freshCipher();
      keyBytes = 0;
    }
    block = cipher.update(ZEROS);
    keyBytes += CHUNK_BYTES;
    used = 0;
  };

  return {
    fill(bytes: Uint8Array): void {
      let written = 0;
      while (written < bytes.length) {
        if (used === block.length) {
          nextBlock();
        }
        const size = Math.min(block.length - used, bytes.length - written);
        bytes.set(block.subarray(used, used + size), written);
        block.fill(0, used, used + size);
        used += size;
        written += size;
      }
    },
  };
}

function freshCipher(): Cipher {
  return createCipheriv("aes-256-ctr", randomBytes(32), randomBytes(16));
}
