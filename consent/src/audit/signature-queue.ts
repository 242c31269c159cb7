import type { SignatureVerifier } from "../crypto/ed25519.js";

interface Check {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly invalid: () => void;
}

/** Curve arithmetic and reading entries drive each other out of the processor's caches: in turns of so many it is less. */
const checksAtOnce = 128;

/**
 * Checks signatures in batches and without waiting for each: a verifier that answers later (WebCrypto, worker threads)
 * gets many at once.
 */
export class SignatureQueue {
  readonly #verifier: SignatureVerifier;
  readonly #window: number;
  #held: Check[] = [];
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

  /** Checks one signature, by the time the queue is drained; `invalid` is called if it does not hold. */
  check(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, invalid: () => void): void {
    this.#checked++;
    this.#held.push({ publicKey, message, signature, invalid });
    if (this.#held.length >= checksAtOnce) this.#verifyHeld();
  }

  #verifyHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const check of held) this.#verify(check);
  }

  #verify({ publicKey, message, signature, invalid }: Check): void {
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
    while (this.#held.length > 0 || this.#pending.size > 0) {
      this.#verifyHeld();
      await Promise.all(this.#pending);
    }
  }
}
