import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { isSoundPublicKey, isSoundSignature, type SignatureVerifier } from "./ed25519.js";
import { packChecks, type SignatureCheck } from "./verify-batch.node.js";

/** A verifier over worker threads. Close it, or the process stays alive. */
export interface VerifierPool extends SignatureVerifier, AsyncDisposable {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
  readonly threads: number;
  close(): Promise<void>;
}

interface Answer {
  readonly resolve: (valid: boolean) => void;
  readonly reject: (error: Error) => void;
}

const batchSize = 128;

function unanswered(): Error {
  return new Error("A verification thread ended before it had answered.");
}

/** One worker and the batches it has been given, oldest first. */
class VerifyThread {
  readonly #worker = new Worker(new URL("./verify-worker.node.js", import.meta.url));
  readonly #batches: Answer[][] = [];
  outstanding = 0;

  constructor() {
    this.#worker.on("message", (answers: Uint8Array) => {
      const batch = this.#batches.shift() ?? [];
      this.outstanding -= batch.length;
      for (const [at, { resolve }] of batch.entries()) resolve(answers[at] === 1);
    });
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(unanswered()));
  }

  give(checks: readonly SignatureCheck[], answers: Answer[]): void {
    this.#batches.push(answers);
    this.outstanding += answers.length;
    const batch = packChecks(checks);
    this.#worker.postMessage(batch, [batch.buffer]);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    for (const batch of this.#batches.splice(0)) for (const { reject } of batch) reject(error);
    this.outstanding = 0;
  }
}

/**
 * A verifier that spreads signatures over worker threads, one a core unless told otherwise. Signatures are sent in
 * batches; what is left over is sent as soon as the caller waits.
 */
export function verifierPool({ threads = availableParallelism() }: { readonly threads?: number } = {}): VerifierPool {
  const pool = Array.from({ length: Math.max(1, threads) }, () => new VerifyThread());
  let checks: SignatureCheck[] = [];
  let answers: Answer[] = [];
  let scheduled = false;
  let isClosed = false;

  function flush(): void {
    scheduled = false;
    if (checks.length === 0) return;
    const idlest = pool.reduce((best, thread) => (thread.outstanding < best.outstanding ? thread : best));
    idlest.give(checks, answers);
    checks = [];
    answers = [];
  }

  async function close(): Promise<void> {
    isClosed = true;
    checks = [];
    for (const { reject } of answers.splice(0)) reject(unanswered());
    await Promise.all(pool.map((thread) => thread.close()));
  }

  return {
    threads: pool.length,
    verify: (publicKey, message, signature) => {
      if (!isSoundPublicKey(publicKey) || !isSoundSignature(signature)) return Promise.resolve(false);
      if (isClosed) return Promise.reject(unanswered());
      return new Promise((resolve, reject) => {
        checks.push({ publicKey, message, signature });
        answers.push({ resolve, reject });
        if (checks.length >= batchSize) flush();
        else if (!scheduled) {
          scheduled = true;
          setImmediate(flush);
        }
      });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
