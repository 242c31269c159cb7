import { createHash } from "node:crypto";
import { CHUNK_BYTES } from "@fedloop/proto";
import { CoordinatorError } from "../errors.js";
import { HeldCalls } from "./held-calls.js";
import { UploadBuffers } from "./upload-buffers.js";

interface Upload {
  readonly bytes: Uint8Array;
  readonly digests: (Uint8Array | undefined)[];
  missing: number;
  /** When its last chunk came. */
  touchedMs: number;
}

/** An upload from which nothing has come for so long gives its place to one that waits, and can begin anew. */
const QUIET_MS = 20_000;

/** One chunk as a device sends it. */
export interface Chunk {
  readonly totalBytes: number;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly sha256: Uint8Array;
}

/**
 * Updates that arrive in chunks, in memory only. So many at a time and no more: a device beyond that waits for a place, or
 * is told to come back, which keeps the server's memory at a few models however large the cohort is. One that vanished in
 * mid-upload keeps nobody out for long.
 */
export class Uploads {
  readonly #uploads = new Map<string, Upload>();
  /** Those that wait for a place. */
  readonly #waiting = new HeldCalls();
  readonly #limit: number;
  readonly #clock: { now(): number };
  readonly #buffers: UploadBuffers;

  /** @param limit uploads held at a time */
  constructor(limit: number, clock: { now(): number }, buffers: UploadBuffers = new UploadBuffers()) {
    this.#limit = limit;
    this.#clock = clock;
    this.#buffers = buffers;
  }

  get size(): number {
    return this.#uploads.size;
  }

  /**
   * Takes a place for an upload, or keeps the one that the device has.
   *
   * @returns the offset of the first missing chunk; undefined when all places are taken
   */
  reserve(device: string, expectedBytes: number): number | undefined {
    const upload = this.#uploads.get(device) ?? this.#begin(device, expectedBytes);
    if (upload === undefined) return undefined;
    upload.touchedMs = this.#clock.now();
    return nextOffset(upload, expectedBytes);
  }

  /**
   * Waits until there may be a place, in the order of those that wait.
   *
   * @returns false when the time is over
   * @throws the signal's reason when it is aborted meanwhile
   */
  untilFree(device: string, ms: number, signal: AbortSignal): Promise<boolean> {
    return this.#waiting.wait(ms, signal, device);
  }

  /** Lets all go that wait for a place: the round has gone on. */
  release(): void {
    this.#waiting.release();
  }

  /**
   * Places a chunk; the same chunk again is harmless.
   *
   * @param device whose upload it is
   * @param expectedBytes the size that the round's plan implies
   * @returns the offset of the first missing chunk, or `expectedBytes` when complete
   * @throws CoordinatorError OUT_OF_RANGE, BAD_DIGEST, CONFLICT, BUSY
   */
  place(device: string, expectedBytes: number, chunk: Chunk): number {
    checkFrame(expectedBytes, chunk);
    const digest = createHash("sha256").update(chunk.data).digest();
    if (!digest.equals(chunk.sha256)) {
      throw new CoordinatorError("BAD_DIGEST", "expected the chunk to match its digest, it does not; send it again");
    }
    const upload = this.#uploads.get(device) ?? this.#begin(device, expectedBytes);
    if (upload === undefined) throw this.busy();
    upload.touchedMs = this.#clock.now();
    const index = chunk.offset / CHUNK_BYTES;
    const placed = upload.digests[index];
    if (placed === undefined) {
      upload.bytes.set(chunk.data, chunk.offset);
      upload.digests[index] = digest;
      upload.missing -= 1;
    } else if (!digest.equals(placed)) {
      throw new CoordinatorError("CONFLICT", `expected the chunk at ${chunk.offset} as sent before, came another one`);
    }
    return nextOffset(upload, expectedBytes);
  }

  /** The error of who finds no place. */
  busy(): CoordinatorError {
    return new CoordinatorError("BUSY", `${this.#limit} uploads are under way already; try again shortly`, {
      retryAfterMs: 50,
    });
  }

  /**
   * Gives a complete upload to `use`, whose bytes are its own only until it returns, and forgets it.
   *
   * @param chunksSha256 SHA-256 over the concatenated chunk digests, as the device computed it
   * @throws CoordinatorError INCOMPLETE_UPLOAD, BAD_DIGEST, and what `use` throws
   */
  take(device: string, chunksSha256: Uint8Array, use: (bytes: Uint8Array) => void): void {
    const upload = this.#uploads.get(device);
    if (upload === undefined || upload.missing > 0) {
      throw new CoordinatorError(
        "INCOMPLETE_UPLOAD",
        `expected all chunks before the submission, ${upload?.missing ?? "all"} are missing; upload them and submit again`,
      );
    }
    const hash = createHash("sha256");
    for (const digest of upload.digests) if (digest !== undefined) hash.update(digest);
    if (!hash.digest().equals(chunksSha256)) {
      throw new CoordinatorError("BAD_DIGEST", "expected the submission to name the uploaded chunks, it names others");
    }
    this.drop(device);
    use(upload.bytes);
  }

  drop(device: string): void {
    const upload = this.#uploads.get(device);
    if (upload === undefined) return;
    this.#uploads.delete(device);
    this.#buffers.give(upload.bytes);
    this.#waiting.releaseNext();
  }

  clear(): void {
    for (const { bytes } of this.#uploads.values()) this.#buffers.give(bytes);
    this.#uploads.clear();
    this.release();
  }

  #begin(device: string, bytes: number): Upload | undefined {
    if (this.#uploads.size >= this.#limit) this.#dropQuiet();
    if (this.#uploads.size >= this.#limit) return undefined;
    const chunks = Math.ceil(bytes / CHUNK_BYTES);
    const upload = {
      bytes: this.#buffers.take(bytes),
      digests: new Array<Uint8Array | undefined>(chunks),
      missing: chunks,
      touchedMs: this.#clock.now(),
    };
    upload.digests.fill(undefined);
    this.#uploads.set(device, upload);
    return upload;
  }

  #dropQuiet(): void {
    const quietSince = this.#clock.now() - QUIET_MS;
    for (const [device, { touchedMs }] of this.#uploads) if (touchedMs <= quietSince) this.drop(device);
  }
}

function nextOffset({ digests }: Upload, expectedBytes: number): number {
  const next = digests.indexOf(undefined);
  return next < 0 ? expectedBytes : next * CHUNK_BYTES;
}

function checkFrame(expectedBytes: number, { totalBytes, offset, data }: Chunk): void {
  const size = Math.min(CHUNK_BYTES, expectedBytes - offset);
  if (totalBytes !== expectedBytes || offset % CHUNK_BYTES !== 0 || offset >= expectedBytes || data.length !== size) {
    throw new CoordinatorError(
      "OUT_OF_RANGE",
      `expected ${expectedBytes} bytes in chunks of ${CHUNK_BYTES}, came ${data.length} bytes at ${offset} of ${totalBytes}`,
    );
  }
}
