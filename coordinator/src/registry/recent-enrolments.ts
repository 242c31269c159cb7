import type { Device } from "./device.js";
import type { Enrolment } from "./registry.js";

/** Answers to enrolments, for as long as their time would be accepted: a network may deliver one twice, so may a thief. */
export class RecentEnrolments {
  readonly #clock: { now(): number };
  readonly #keepMs: number;
  /** In the order in which they came. */
  readonly #answers = new Map<string, { readonly cameMs: number; readonly answer: Promise<Device> }>();

  constructor(clock: { now(): number }, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  /** The answer that the enrolment had; else the one that `enroll` gives. One that failed is tried again. */
  answerTo(enrolment: Enrolment, enroll: () => Promise<Device>): Promise<Device> {
    const now = this.#clock.now();
    for (const [key, { cameMs }] of this.#answers) {
      if (now - cameMs < this.#keepMs) break;
      this.#answers.delete(key);
    }
    const key = nameOf(enrolment);
    const known = this.#answers.get(key);
    if (known !== undefined) return known.answer;
    const answer = enroll();
    this.#answers.set(key, { cameMs: now, answer });
    answer.catch(() => this.#answers.delete(key));
    return answer;
  }
}

/** All of an enrolment, so that nobody gets another's answer by repeating a part of it. */
function nameOf({ population, publicKey, timeMs, nonce, signature, token }: Enrolment): string {
  const bytes = [publicKey, nonce, signature].map((part) => Buffer.from(part).toString("base64url"));
  return JSON.stringify([population, timeMs, token, ...bytes]);
}
