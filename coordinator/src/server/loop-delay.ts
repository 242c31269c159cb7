import { closeSync, openSync, readSync } from "node:fs";

/** How often the event loop is looked at, milliseconds. */
const EVERY_MS = 5;

/** Where Linux tells how long the process's first thread has run, in nanoseconds: the first number. */
const THREAD_TIME = "/proc/self/schedstat";

/**
 * Watches how long single calls keep the event loop: how late a timer is at most. Where the system tells how long the
 * thread really ran meanwhile, waiting for a core does not count: on a busy machine that would be most of it.
 */
export class LoopDelay implements Disposable {
  readonly #file = open();
  readonly #buffer = Buffer.alloc(64);
  readonly #timer: NodeJS.Timeout;
  #dueMs = performance.now() + EVERY_MS;
  #ranMs = this.#threadMs();
  #longestMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
    this.#timer.unref();
  }

  /** The longest since the last time that this was asked, milliseconds. */
  takeLongestMs(): number {
    // What keeps the loop at this moment counts, too.
    if (performance.now() > this.#dueMs) this.#look();
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return Math.round(longest * 10) / 10;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #look(): void {
    const nowMs = performance.now();
    const ranMs = this.#threadMs();
    const late = Math.max(nowMs - this.#dueMs, 0);
    const ran = this.#file === undefined ? late : ranMs - this.#ranMs;
    this.#longestMs = Math.max(this.#longestMs, Math.min(late, ran));
    this.#dueMs = nowMs + EVERY_MS;
    this.#ranMs = ranMs;
  }

  #threadMs(): number {
    if (this.#file === undefined) return 0;
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    return Number(this.#buffer.toString("latin1", 0, length).split(" ")[0]) / 1e6;
  }
}

function open(): number | undefined {
  try {
    return openSync(THREAD_TIME, "r");
  } catch {
    return undefined;
  }
}
