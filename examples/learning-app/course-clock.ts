import { type Clock, systemClock } from "@fedloop/client-runtime";

const DAY_MS = 86_400_000;

/** A clock that can be set to other days than today, for simulated people who have been here for a while. */
export class CourseClock implements Clock {
  /** Whole days from now to where the clock stands; below 0 in the past. */
  days = 0;
  readonly #system = systemClock();

  now(): number {
    return this.#system.now() + this.days * DAY_MS;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#system.wait(ms, signal);
  }
}
