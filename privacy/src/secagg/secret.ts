import { SecAggError } from "./errors.js";

/**
 * Owns the bytes of one secret until they are erased. It prints as nothing, so that no log line and no error shows it.
 *
 * JavaScript cannot promise that no copy stays behind (the collector moves arrays, platform crypto keeps its own); what
 * is promised is that a state machine that is past the step cannot use the secret again.
 */
export class Secret {
  #bytes: Uint8Array | undefined;

  /** Takes the array over: the caller keeps no reference to it. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The bytes themselves, not a copy. Throws SECRET_ERASED after `erase`. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      throw new SecAggError("SECRET_ERASED", "This secret was erased after its step. Start a new round.");
    }
    return this.#bytes;
  }

  get erased(): boolean {
    return this.#bytes === undefined;
  }

  erase(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toJSON(): string {
    return "[secret]";
  }
}

/** Lets a state answer one message and no second: what a server could ask twice, it could ask differently. */
export class Turn {
  #taken = false;

  /** Throws WRONG_STATE from the second call on. */
  take(step: string): void {
    if (this.#taken) {
      throw new SecAggError("WRONG_STATE", `The step "${step}" was answered before. A state answers once.`);
    }
    this.#taken = true;
  }
}
