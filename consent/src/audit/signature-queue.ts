import type { SignatureVerifier } from "../crypto/ed25519.js";

/**
 * Checks signatures without waiting for each: a verifier that answers later (WebCrypto, worker threads) gets many at
 * once, a synchronous one costs nothing extra.
 */
export class SignatureQueue {
  readonly #verifier: SignatureVerifier;
  readonly #window: number;
  #pending: Promise<void>[] = [];
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
    if (typeof answer !== "boolean") {
      this.#pending.push(
        answer.then((valid) => {
          if (!valid) invalid();
        }),
      );
    } else if (!answer) {
      invalid();
    }
  }

  /** Waits where too many answers are outstanding. */
  async pace(): Promise<void> {
    if (this.#pending.length >= this.#window) await this.drain();
  }

  /** Waits for every answer. */
  async drain(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
  }
}
