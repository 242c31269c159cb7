import { type ArtifactChunk, ArtifactChunkSchema, CHUNK_BYTES } from "@fedloop/proto";
import { encodedOnce } from "@fedloop/proto/grpc";
import { CoordinatorError } from "../errors.js";
import type { OpenArtifact } from "../models/artifact-store.js";

/** Models up to this size are kept ready to send; larger ones are read as they are sent. Bytes. */
const MAX_KEPT_BYTES = 64 << 20;

/**
 * The chunks of a model, encoded once for all devices of a round. One model is kept: a cohort downloads the same one at
 * about the same time.
 */
export class ModelChunks {
  #kept: { readonly sha256: string; readonly chunks: Promise<readonly ArtifactChunk[] | null> } | undefined;

  /**
   * The chunks from an offset, a multiple of `CHUNK_BYTES` or not.
   *
   * @param sha256 of the artifact
   * @param open opens it; called only where its chunks are not kept
   * @throws CoordinatorError OUT_OF_RANGE, and what `open` throws
   */
  async *from(
    sha256: Uint8Array,
    open: () => Promise<OpenArtifact>,
    offset: number,
  ): AsyncIterable<ArtifactChunk | PlainChunk> {
    const chunks = offset % CHUNK_BYTES === 0 ? await this.#chunks(sha256, open) : null;
    const kept = chunks?.slice(offset / CHUNK_BYTES) ?? [];
    if (kept.length > 0) return yield* kept;
    await using artifact = await open();
    if (offset > artifact.totalBytes) {
      throw new CoordinatorError(
        "OUT_OF_RANGE",
        `expected an offset of at most ${artifact.totalBytes}, came ${offset}`,
      );
    }
    yield* readChunks(artifact, offset);
  }

  /**
   * A model small enough to travel with something else, at most `CHUNK_BYTES`; empty for a larger one.
   *
   * @param open as for `from`
   */
  async inline(sha256: Uint8Array, open: () => Promise<OpenArtifact>): Promise<Uint8Array> {
    const [first, second] = (await this.#chunks(sha256, open)) ?? [];
    return first === undefined || second !== undefined ? new Uint8Array(0) : first.data;
  }

  /** All chunks; null for a model that is too large to be kept. Who asks while they are read waits for the same ones. */
  #chunks(sha256: Uint8Array, open: () => Promise<OpenArtifact>): Promise<readonly ArtifactChunk[] | null> {
    const name = Buffer.from(sha256).toString("base64url");
    if (this.#kept?.sha256 === name) return this.#kept.chunks;
    const chunks = encodeChunks(open);
    const kept = { sha256: name, chunks };
    this.#kept = kept;
    chunks.catch(() => {
      if (this.#kept === kept) this.#kept = undefined;
    });
    return chunks;
  }
}

interface PlainChunk {
  readonly offset: bigint;
  readonly data: Uint8Array;
  readonly totalBytes: bigint;
}

async function* readChunks(artifact: OpenArtifact, from: number): AsyncIterable<PlainChunk> {
  const { totalBytes } = artifact;
  for (let offset = from; offset < totalBytes; offset += CHUNK_BYTES) {
    const data = await artifact.read(offset, Math.min(CHUNK_BYTES, totalBytes - offset));
    yield { offset: BigInt(offset), data, totalBytes: BigInt(totalBytes) };
  }
}

async function encodeChunks(open: () => Promise<OpenArtifact>): Promise<readonly ArtifactChunk[] | null> {
  await using artifact = await open();
  if (artifact.totalBytes > MAX_KEPT_BYTES) return null;
  const chunks: ArtifactChunk[] = [];
  for await (const chunk of readChunks(artifact, 0)) chunks.push(encodedOnce(ArtifactChunkSchema, chunk));
  return chunks;
}
