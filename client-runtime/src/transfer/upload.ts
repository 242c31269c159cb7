import { Artifacts, CHUNK_BYTES, Rounds } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { TransferContext } from "./download.js";

/** Chunks of one upload on their way at a time. */
const IN_FLIGHT = 4;

/** How long the coordinator may hold a request for a place among the uploads, milliseconds; then it is made again. */
const PLACE_WAIT_MS = 10_000;

/** How often an upload that the coordinator lost a part of is completed before it is given up. */
const PASSES = 3;

export interface UpdateUpload {
  readonly population: string;
  readonly round: bigint;
  readonly bytes: Uint8Array;
}

/**
 * Hands in an update: inline up to 1 MiB, else in chunks of which several are on their way at a time, once the coordinator
 * has a place for them. Every chunk is hashed once; one that is lost is sent again alone.
 *
 * @returns whether the coordinator counted it
 * @throws ClientError REMOTE with the coordinator's reason, UNAVAILABLE, ABORTED, PROTOCOL
 */
export async function submitUpdate(context: TransferContext, upload: UpdateUpload): Promise<boolean> {
  const { client, signal } = context;
  const { population, round, bytes } = upload;
  if (bytes.length <= CHUNK_BYTES) {
    const chunksSha256 = context.sha256.digest(context.sha256.digest(bytes));
    const request = { population, round, inlineUpdate: bytes, chunksSha256 };
    return (await client.call(Rounds.method.submitMasked, request, signal)).accepted;
  }
  const digests = new ChunkDigests(context, bytes);
  for (let pass = 1; ; pass++) {
    await uploadChunks(context, upload, digests);
    try {
      const request = { population, round, chunksSha256: digests.combined() };
      return (await client.call(Rounds.method.submitMasked, request, signal)).accepted;
    } catch (cause) {
      const lost = cause instanceof ClientError && cause.remoteCode === "INCOMPLETE_UPLOAD";
      if (!lost || pass >= PASSES) throw cause;
    }
  }
}

/** The SHA-256 of each chunk, computed when it is first needed. */
class ChunkDigests {
  readonly count: number;
  readonly #context: TransferContext;
  readonly #bytes: Uint8Array;
  readonly #digests: (Uint8Array | undefined)[];

  constructor(context: TransferContext, bytes: Uint8Array) {
    this.#context = context;
    this.#bytes = bytes;
    this.count = Math.ceil(bytes.length / CHUNK_BYTES);
    this.#digests = new Array<Uint8Array | undefined>(this.count).fill(undefined);
  }

  chunk(index: number): Uint8Array {
    return this.#bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
  }

  of(index: number): Uint8Array {
    const digest = this.#digests[index] ?? this.#context.sha256.digest(this.chunk(index));
    this.#digests[index] = digest;
    return digest;
  }

  /** SHA-256 over the digests of all chunks in order. */
  combined(): Uint8Array {
    const hash = this.#context.sha256.start();
    for (let index = 0; index < this.count; index++) hash.update(this.of(index));
    return hash.digest();
  }
}

async function uploadChunks(context: TransferContext, upload: UpdateUpload, digests: ChunkDigests): Promise<void> {
  const total = upload.bytes.length;
  // Without bytes: they would travel in vain where all places are taken. After a cut the answer says where to go on.
  let next = await askForPlace(context, upload);
  if (next >= total) return;
  let index = Math.floor(next / CHUNK_BYTES);
  const send = async (): Promise<void> => {
    while (index < digests.count) {
      const mine = index;
      index += 1;
      const answered = await sendChunk(context, upload, digests, mine);
      if (answered > next) next = answered;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  // What the coordinator still misses, for whatever reason, one by one.
  for (let attempt = 0; next < total; attempt++) {
    if (attempt > digests.count) throw new ClientError("PROTOCOL", "expected the upload to advance, it does not");
    next = await sendChunk(context, upload, digests, Math.floor(next / CHUNK_BYTES));
  }
}

/** @returns the offset of the first chunk to send, or the size of the upload when it is there already */
async function askForPlace(
  { client, signal }: TransferContext,
  { population, round, bytes }: UpdateUpload,
): Promise<number> {
  const waitMs = await client.mayWaitMs(PLACE_WAIT_MS);
  const request = { population, round, totalBytes: BigInt(bytes.length), waitMs };
  return Number((await client.call(Artifacts.method.uploadChunk, request, signal, waitMs)).nextOffset);
}

/** @returns the offset of the first chunk that is missing, or the size of the upload */
async function sendChunk(
  { client, signal }: TransferContext,
  { population, round, bytes }: UpdateUpload,
  digests: ChunkDigests,
  index: number,
): Promise<number> {
  const answer = await client.call(
    Artifacts.method.uploadChunk,
    {
      population,
      round,
      totalBytes: BigInt(bytes.length),
      offset: BigInt(index * CHUNK_BYTES),
      data: digests.chunk(index),
      sha256: digests.of(index),
    },
    signal,
  );
  return Number(answer.nextOffset);
}
