import { createCipheriv, createHash } from "node:crypto";
import type { RandomSource } from "@fedloop/privacy";

const ZEROS = new Uint8Array(4_096);
const NONCE = new Uint8Array(16);

/**
 * A source whose bytes follow from a seed and a name: for simulations, which are to come out the same each time, and for nothing
 * else. Whoever knows the seed can take its noise off again, so no part of the product that serves devices can be given one.
 * AES-256-CTR under SHA-256 of seed and name, so that streams of different names have nothing to do with each other.
 */
export class SeededRandom implements RandomSource {
  readonly #cipher: ReturnType<typeof createCipheriv>;
  #block = new Uint8Array(0);
  #used = 0;

  /** @param name what the stream is for, as in ["noise", round] */
  constructor(seed: number, name: readonly (string | number)[]) {
    const key = createHash("sha256")
      .update(JSON.stringify(["fedloop-simulation/v1", seed, ...name]))
      .digest();
    this.#cipher = createCipheriv("aes-256-ctr", key, NONCE);
  }

  fill(bytes: Uint8Array): void {
    let written = 0;
    while (written < bytes.length) {
      if (this.#used === this.#block.length) {
        this.#block = new Uint8Array(this.#cipher.update(ZEROS));
        this.#used = 0;
      }
      const size = Math.min(this.#block.length - this.#used, bytes.length - written);
      bytes.set(this.#block.subarray(this.#used, this.#used + size), written);
      this.#used += size;
      written += size;
    }
  }

  /** Uniform in [0, 1), with 53 bits. */
  uniform(): number {
    const bytes = new Uint8Array(8);
    this.fill(bytes);
    const view = new DataView(bytes.buffer);
    return ((view.getUint32(0) >>> 5) * 2 ** 26 + (view.getUint32(4) >>> 6)) / 2 ** 53;
  }

  /** Standard normal (Box and Muller 1958). For data and delays, never for privacy. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Gamma with scale 1 (Marsaglia and Tsang 2000, and their remark for shapes below 1). */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** 0 to count − 1 in an order of its own (Fisher and Yates 1938). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(this.uniform() * (i + 1));
      const held = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = held;
    }
    return order;
  }
}
