// How many consents stood at each point of the log, kept in a bounded number of points.
import type { ConsentEntry } from "../entries/entry-types.js";

/** Counts after an entry. */
export interface ConsentPoint {
  readonly index: number;
  /** When the entry was made, milliseconds since 1970. */
  readonly time: number;
  /** Decisions in force that permit, and all withdrawals so far. */
  readonly standing: number;
  readonly withdrawals: number;
}

const mostPoints = 512;

/** Follows consent entries in index order. */
export class ConsentTimeline {
  /** Subjects whose decision about a purpose permits, by purpose. */
  readonly #permitting = new Map<string, Set<string>>();
  readonly #subjects = new Set<string>();
  #points: ConsentPoint[] = [];
  #stride = 1;
  #entries = 0;
  #standing = 0;
  #withdrawals = 0;
  #last: ConsentPoint | undefined;

  /** Counts an entry. */
  add(index: number, entry: ConsentEntry): void {
    const { subject, purpose, event } = entry.body.record;
    const permitting = this.#permitting.get(purpose) ?? new Set();
    this.#permitting.set(purpose, permitting);
    const before = permitting.size;
    if (event.state === "given" || event.state === "reaffirmed") permitting.add(subject);
    else permitting.delete(subject);
    this.#standing += permitting.size - before;
    if (event.state === "withdrawn") this.#withdrawals++;
    this.#subjects.add(subject);
    this.#last = { index, time: entry.ts, standing: this.#standing, withdrawals: this.#withdrawals };
    if (this.#entries++ % this.#stride !== 0) return;
    this.#points.push(this.#last);
    if (this.#points.length < mostPoints) return;
    this.#points = this.#points.filter((_, at) => at % 2 === 0);
    this.#stride *= 2;
  }

  /** Totals, and the course of them: every decision, or an even thinning of many. */
  summary(): {
    readonly subjects: number;
    readonly entries: number;
    readonly standing: number;
    readonly withdrawals: number;
    readonly timeline: readonly ConsentPoint[];
  } {
    const last = this.#last;
    const complete = last === undefined || this.#points.at(-1) === last ? this.#points : [...this.#points, last];
    return {
      subjects: this.#subjects.size,
      entries: this.#entries,
      standing: this.#standing,
      withdrawals: this.#withdrawals,
      timeline: complete,
    };
  }
}
