/** A sum of signed terms given by their logarithms, without overflow. */
export class LogSum {
  #peak: number = Number.NEGATIVE_INFINITY;
  #sum = 0;

  /** Adds sign · exp(logTerm). */
  add(logTerm: number, sign: number = 1): void {
    if (logTerm <= this.#peak) {
      this.#sum += sign * Math.exp(logTerm - this.#peak);
    } else {
      this.#sum = this.#sum * Math.exp(this.#peak - logTerm) + sign;
      this.#peak = logTerm;
    }
  }

  /** The logarithm of the sum; −∞ when the sum is not above zero. */
  get log(): number {
    return this.#sum > 0 ? this.#peak + Math.log(this.#sum) : Number.NEGATIVE_INFINITY;
  }

  /** The logarithm of one plus the sum, exact also where the sum is far below one. */
  get log1p(): number {
    const log = this.log;
    return log > 36 ? log : Math.log1p(Math.exp(log));
  }
}

/** @returns ln(e^x − 1) for x > 0 */
export function logExpm1(x: number): number {
  return x > 40 ? x : Math.log(Math.expm1(x));
}

/** @returns ln(1 + e^x) */
export function log1pExp(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
