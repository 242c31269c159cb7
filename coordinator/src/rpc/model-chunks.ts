import { type ArtifactChunk, ArtifactChunkSchema, CHUNK_BYTES } from "@fedloop/proto";
import { encodedOnce } from "@fedloop/proto/grpc";
import type { OpenArtifact } from "../models/artifact-store.js";

/** Models up to this size are kept ready to send; larger ones are read as they are sent. Bytes. */
const MAX_KEPT_BYTES = 64 << 20;

/**
 * The chunks of a model, encoded once for all devices of a round. One model is kept: a cohort downloads the same one at
 * about the same time.
 */
export class ModelChunks {
  #kept: { readonly sha256: string; readonly chunks: Promise<readonly ArtifactChunk[]> } | undefined;

  /**
   * The chunks from an offset, a multiple of `CHUNK_BYTES` or not. Closes the artifact.
   *
   * @param sha256 of the artifact
   */
  async *from(sha256: Uint8Array, artifact: OpenArtifact, offset: number): AsyncIterable<ArtifactChunk | PlainChunk> {
    try {
      if (artifact.totalBytes > MAX_KEPT_BYTES || offset % CHUNK_BYTES !== 0) yield* readChunks(artifact, offset);
      else yield* (await this.#chunks(sha256, artifact)).slice(offset / CHUNK_BYTES);
    } finally {
      await artifact.close();
    }
  }

  #chunks(sha256: Uint8Array, artifact: OpenArtifact): Promise<readonly ArtifactChunk[]> {
    const name = Buffer.from(sha256).toString("base64url");
    if (this.#kept?.sha256 === name) return this.#kept.chunks;
    const chunks = encodeChunks(artifact);
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

async function encodeChunks(artifact: OpenArtifact): Promise<readonly ArtifactChunk[]> {
  const chunks: ArtifactChunk[] = [];
  for await (const chunk of readChunks(artifact, 0)) chunks.push(encodedOnce(ArtifactChunkSchema, chunk));
  return chunks;
}
