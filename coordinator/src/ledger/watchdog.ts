import { CoordinatorError } from "../errors.js";

/** Rejects when a transaction has taken too long. */
export class Watchdog {
  readonly late: Promise<never>;
  #timer: NodeJS.Timeout | undefined;

  constructor(afterMs: number) {
    this.late = new Promise((_, reject) => {
      this.#timer = setTimeout(() => reject(new WorkTimeout(afterMs)), afterMs);
    });
    this.late.catch(() => undefined);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Ends the whole transaction: the work may go on using it, so nothing in it can be kept. */
export class WorkTimeout extends CoordinatorError {
  constructor(afterMs: number) {
    super(
      "STORE_FAILED",
      `expected a work on the ledger to end within ${afterMs} ms, it did not; inside a work ask its own transaction, never store.db`,
    );
  }
}
