/** A signal of one of many, and what to call when it is over. */
export interface Joined {
  readonly signal: AbortSignal;
  leave(): void;
}

/**
 * A long-lived signal that many short-lived ones end with. `AbortSignal.any` leaves some seventy bytes behind in the long-lived
 * one for each of them (Node 20), which a server that opens streams for months cannot afford; here each of them leaves.
 */
export class CrowdSignal {
  readonly #signal: AbortSignal;
  readonly #members = new Set<AbortController>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#end(), { once: true });
  }

  /** Those that have not left. */
  get size(): number {
    return this.#members.size;
  }

  /** @returns a signal that is aborted with this one, or with `own`, for that one's reason */
  join(own: AbortSignal): Joined {
    const member = new AbortController();
    const { signal } = member;
    if (own.aborted || this.#signal.aborted) {
      member.abort(own.aborted ? own.reason : this.#signal.reason);
      return { signal, leave: () => undefined };
    }
    const leave = (): void => {
      own.removeEventListener("abort", end);
      this.#members.delete(member);
    };
    const end = (): void => {
      leave();
      member.abort(own.reason);
    };
    own.addEventListener("abort", end, { once: true });
    this.#members.add(member);
    return { signal, leave };
  }

  #end(): void {
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) member.abort(this.#signal.reason);
  }
}
