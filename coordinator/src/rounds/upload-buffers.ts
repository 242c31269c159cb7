/** Kept from round to round at most, in bytes. */
const MAX_KEPT_BYTES = 64 << 20;

/**
 * Buffers of uploads that are done, for the next ones, of this round or a later one: large allocations are what a garbage collector
 * is slow at.
 */
export class UploadBuffers {
  readonly #spare: Uint8Array[] = [];

  /** Of `bytes` bytes; what it held is overwritten chunk by chunk before anyone may take it. */
  take(bytes: number): Uint8Array {
    const spare = this.#spare.pop();
    if (spare?.length === bytes) return spare;
    // A round whose updates have another size.
    this.#spare.length = 0;
    return new Uint8Array(bytes);
  }

  /** Takes a buffer back that nobody reads any more. */
  give(buffer: Uint8Array): void {
    if ((this.#spare.length + 1) * buffer.length <= MAX_KEPT_BYTES) this.#spare.push(buffer);
  }
}
