import { createCipheriv, createHash } from "node:crypto";
import type { RandomSource } from "../../src/random/source.js";

/** The same bytes for the same seed, for tests only: AES-256-CTR keystream under the seed's hash. */
export function seededRandom(seed: number | string): RandomSource {
  const key = createHash("sha256").update(`fedloop secagg test ${seed}`).digest();
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  return { fill: (bytes) => bytes.set(cipher.update(new Uint8Array(bytes.length))) };
}

/** Exactly `length` seeded bytes. */
export function seededBytes(seed: number | string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  seededRandom(seed).fill(bytes);
  return bytes;
}
