import { createHash } from "node:crypto";
import type { Sha256 } from "./sha256.js";

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** SHA-256 by OpenSSL. */
export const nodeSha256: Sha256 = {
  digest: (bytes) => plain(createHash("sha256").update(bytes).digest()),
  start: () => {
    const hash = createHash("sha256");
    return { update: (bytes) => void hash.update(bytes), digest: () => plain(hash.digest()) };
  },
};
