import { PrivacyError } from "../errors.js";

/** Where every random bit of this package comes from. Product code passes a cryptographic source, nothing else. */
export interface RandomSource {
  /** Overwrites all of `bytes` with independent uniform bytes. */
  fill(bytes: Uint8Array): void;
}

/** The part of WebCrypto that a random source needs; browsers and Node 20 have it as `globalThis.crypto`. */
export interface RandomValues {
  getRandomValues(bytes: Uint8Array<ArrayBuffer>): unknown;
}

/** `getRandomValues` refuses more than this in one call (W3C Web Cryptography API, section 10.1.1). */
const BLOCK_BYTES = 65_536;

/**
 * The platform's own cryptographic generator, asked in blocks.
 *
 * @param platform WebCrypto's `getRandomValues`; the global one when it is left out
 * @returns a source that any sampler of this package accepts
 * @throws PrivacyError NO_RANDOMNESS when the platform has no generator
 */
export function systemRandom(platform: RandomValues | undefined = globalThis.crypto): RandomSource {
  if (platform === undefined) {
    throw new PrivacyError(
      "NO_RANDOMNESS",
      "This platform has no crypto.getRandomValues. Use a secure context (https), or pass a generator.",
    );
  }
  // Small requests come out of one pre-filled block: a platform call costs a microsecond whatever its size.
  const block = new Uint8Array(4096);
  let used = block.length;
  return {
    fill(bytes: Uint8Array): void {
      let written = 0;
      while (bytes.length - written >= block.length) {
        const size = Math.min(BLOCK_BYTES, bytes.length - written);
        const fresh = new Uint8Array(size);
        platform.getRandomValues(fresh);
        bytes.set(fresh, written);
        written += size;
      }
      while (written < bytes.length) {
        if (used === block.length) {
          platform.getRandomValues(block);
          used = 0;
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
