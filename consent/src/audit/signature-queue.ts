import type { SignatureVerifier } from "../crypto/ed25519.js";

/**
 * Checks signatures without waiting for each: a verifier that answers later (WebCrypto, worker threads) gets many at
 * once, a synchronous one costs nothing extra.
 */
export class SignatureQueue {
  readonly #verifier: SignatureVerifier;
  readonly #window: number;
  readonly #pending = new Set<Promise<void>>();
  #checked = 0;

  constructor(verifier: SignatureVerifier, window = 4_096) {
    this.#verifier = verifier;
    this.#window = window;
  }

  /** How many signatures were handed in. */
  get checked(): number {
    return this.#checked;
  }

  /** Checks one signature; `invalid` is called if it does not hold. */
  check(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, invalid: () => void): void {
    this.#checked++;
    const answer = this.#verifier.verify(publicKey, message, signature);
    if (typeof answer === "boolean") {
      if (!answer) invalid();
      return;
    }
    const settled = answer.then((valid) => {
      this.#pending.delete(settled);
      if (!valid) invalid();
    });
    // A failure is met when the queue is waited for; until then it must not count as unhandled.
    settled.catch(() => undefined);
    this.#pending.add(settled);
  }

  /** Waits while too many answers are outstanding, until half of them have come. */
  async pace(): Promise<void> {
    if (this.#pending.size < this.#window) return;
    while (this.#pending.size > this.#window / 2) {
      const [oldest] = this.#pending;
      await oldest;
    }
  }

  /** Waits for every answer, and for those that answers ask for. */
  async drain(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}
