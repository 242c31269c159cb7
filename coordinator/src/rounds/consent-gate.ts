/** Lets someone wait for a number of consent decisions, without looking at all participants after each. */
export class ConsentGate {
  #changes = 0;
  #awaited = Number.POSITIVE_INFINITY;
  #open: (() => void) | undefined;

  /** How many decisions there have been: taken before looking at the participants, so that none is missed. */
  get changes(): number {
    return this.#changes;
  }

  /** A consent was given, refused or withdrawn. */
  changed(): void {
    this.#changes += 1;
    if (this.#changes >= this.#awaited) this.#open?.();
  }

  /** Resolves when there have been so many decisions in all, after so long, or when the signal is aborted. */
  async wait(changes: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#changes >= changes || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const open = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", open);
        this.#open = undefined;
        this.#awaited = Number.POSITIVE_INFINITY;
        resolve();
      };
      const timer = setTimeout(open, timeoutMs);
      signal.addEventListener("abort", open, { once: true });
      this.#awaited = changes;
      this.#open = open;
    });
  }
}
