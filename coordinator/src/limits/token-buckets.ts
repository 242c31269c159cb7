export interface BucketRate {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Tokens of a full bucket: how much may come at once. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * One token bucket for each key, in bounded memory: of more keys than `capacity`, those that were not seen for the longest
 * are forgotten, half of them at a time. A bucket that is forgotten starts full again; so a caller gains by that only
 * who fills the memory with other callers.
 */
export class TokenBuckets {
  readonly #rate: BucketRate;
  readonly #clock: { now(): number };
  readonly #half: number;
  /** Keys seen since the two maps changed places, and before: moving on is cheap, and costs no order of all keys. */
  #recent = new Map<string, Bucket>();
  #older = new Map<string, Bucket>();

  constructor(rate: BucketRate, clock: { now(): number }, capacity = 100_000) {
    this.#rate = rate;
    this.#clock = clock;
    this.#half = Math.max(Math.floor(capacity / 2), 1);
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  /**
   * Takes tokens, all of them or none.
   *
   * @returns 0 when they were taken, else after how many milliseconds to come back
   */
  take(key: string, cost = 1): number {
    const bucket = this.#bucket(key);
    if (bucket.tokens >= cost) {
      bucket.tokens -= cost;
      return 0;
    }
    return Math.max(Math.ceil(((cost - bucket.tokens) / this.#rate.perSecond) * 1_000), 1);
  }

  /** Takes tokens as far as there are any: the price of what cannot be refused any more. */
  charge(key: string, cost: number): void {
    const bucket = this.#bucket(key);
    bucket.tokens = Math.max(bucket.tokens - cost, 0);
  }

  #bucket(key: string): Bucket {
    const now = this.#clock.now();
    let bucket = this.#recent.get(key);
    if (bucket === undefined) {
      bucket = this.#older.get(key) ?? { tokens: this.#rate.burst, atMs: now };
      this.#older.delete(key);
      if (this.#recent.size >= this.#half) {
        this.#older = this.#recent;
        this.#recent = new Map();
      }
      this.#recent.set(key, bucket);
    }
    // A clock that was set back gives nothing and takes nothing.
    const elapsedMs = Math.max(now - bucket.atMs, 0);
    bucket.tokens = Math.min(bucket.tokens + (elapsedMs / 1_000) * this.#rate.perSecond, this.#rate.burst);
    bucket.atMs = now;
    return bucket;
  }
}
