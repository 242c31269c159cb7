import { setImmediate as nextTurnOfLoop } from "node:timers/promises";
import { CoordinatorError } from "../errors.js";

/** Calls that wait to be begun at a time; with half a millisecond each, the last of them waits a quarter of a second. */
export const DEFAULT_WAITING_CALLS = 500;

/** How long calls may be begun in one turn of the event loop, before it reads what else has come. Milliseconds. */
const TURN_MS = 8;
/** Of calls that belong to rounds under way so many go before one that would only make more work. */
const URGENT_IN_A_ROW = 3;

/** Who is turned away comes back so long after at the earliest, and no more than so many in a second. */
const FIRST_BACK_MS = 1_000;
const BACK_A_SECOND = 200;
const LAST_BACK_MS = 30_000;

export interface AdmissionOptions {
  readonly clock: { now(): number };
  /** New calls that may wait. */
  readonly waitingCalls?: number | undefined;
  /** A monotonic clock, milliseconds. */
  readonly nowMs?: () => number;
  /** Resolves in the next turn of the event loop. */
  readonly nextTurn?: () => Promise<unknown>;
  /** Told of every call that was turned away. */
  readonly onRefused?: () => void;
}

interface Turn {
  readonly sinceMs: number;
  readonly end: Promise<void>;
}

/**
 * Where calls wait for their turn. Under overload the line is short, by count, and whoever finds it full is turned away before
 * anything is worked out for it: so who is served is served soon, and the time is not spent on calls whose callers have given up.
 *
 * What belongs to rounds under way, and what participants decide, waits too, but is never turned away.
 */
export class Admission {
  readonly #clock: { now(): number };
  readonly #most: number;
  readonly #nowMs: () => number;
  readonly #nextTurn: () => Promise<unknown>;
  readonly #onRefused: () => void;
  readonly #urgent: (() => void)[] = [];
  readonly #new: (() => void)[] = [];
  /** From when on there is room for one more of those that were turned away. */
  #freeMs = 0;
  #isBeginning = false;
  #turn: Turn | undefined;

  constructor({
    clock,
    waitingCalls = DEFAULT_WAITING_CALLS,
    nowMs = () => performance.now(),
    nextTurn = () => nextTurnOfLoop(),
    onRefused = () => undefined,
  }: AdmissionOptions) {
    this.#clock = clock;
    this.#most = waitingCalls;
    this.#nowMs = nowMs;
    this.#nextTurn = nextTurn;
    this.#onRefused = onRefused;
  }

  /** Calls that wait now. */
  get waiting(): number {
    return this.#urgent.length + this.#new.length;
  }

  /**
   * Resolves when a call's turn has come.
   *
   * @param isUrgent whether it is one that is not turned away
   * @throws CoordinatorError BUSY, with when to come back
   */
  enter(isUrgent: boolean): Promise<void> {
    if (!isUrgent && this.#new.length >= this.#most) return Promise.reject(this.#refusal());
    return new Promise((resolve) => {
      (isUrgent ? this.#urgent : this.#new).push(resolve);
      if (!this.#isBeginning) void this.#begin();
    });
  }

  async #begin(): Promise<void> {
    this.#isBeginning = true;
    for (let inARow = 0; this.waiting > 0; ) {
      if (this.#turn !== undefined && this.#nowMs() - this.#turn.sinceMs >= TURN_MS) await this.#turn.end;
      this.#turn ??= this.#newTurn();
      const isUrgent = this.#new.length === 0 || (this.#urgent.length > 0 && inARow < URGENT_IN_A_ROW);
      inARow = isUrgent ? inARow + 1 : 0;
      (isUrgent ? this.#urgent : this.#new).shift()?.();
      // What the call does at once is done before the next one is looked at.
      await Promise.resolve();
    }
    this.#isBeginning = false;
  }

  /** From the first call that is begun in a turn of the event loop to the turn's end: reading more calls counts, too. */
  #newTurn(): Turn {
    const end = this.#nextTurn().then(() => {
      this.#turn = undefined;
    });
    return { sinceMs: this.#nowMs(), end };
  }

  #refusal(): CoordinatorError {
    this.#onRefused();
    const now = this.#clock.now();
    const backMs = Math.min(Math.max(this.#freeMs, now + FIRST_BACK_MS), now + LAST_BACK_MS);
    this.#freeMs = backMs + 1_000 / BACK_A_SECOND;
    return new CoordinatorError("BUSY", "too many calls wait to be answered; come back after the time given", {
      retryAfterMs: Math.round(backMs - now),
    });
  }
}
