import type { MaskExpander, MaskStream } from "./expander.js";

const BLOCK_BYTES = 16;

/**
 * AES-256-CTR by WebCrypto, for browsers.
 *
 * @param subtle the platform's; the global one when it is left out
 */
export function webCryptoExpander(subtle: SubtleCrypto = globalThis.crypto.subtle): MaskExpander {
  return {
    expand(key): MaskStream {
      const imported = subtle.importKey("raw", new Uint8Array(key), "AES-CTR", false, ["encrypt"]);
      let block = 0;
      return {
        async next(byteLength) {
          const counter = new Uint8Array(BLOCK_BYTES);
          new DataView(counter.buffer).setBigUint64(8, BigInt(block));
          // Set before waiting: a second piece may be asked for while the first is under way.
          block += Math.ceil(byteLength / BLOCK_BYTES);
          const zeros = new Uint8Array(byteLength);
          return new Uint8Array(await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, await imported, zeros));
        },
      };
    },
  };
}
