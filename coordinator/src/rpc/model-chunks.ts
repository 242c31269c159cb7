import { type ArtifactChunk, ArtifactChunkSchema, CHUNK_BYTES } from "@fedloop/proto";
import { encodedOnce } from "@fedloop/proto/grpc";
import { CoordinatorError } from "../errors.js";
import type { OpenArtifact } from "../models/artifact-store.js";

/** Of all kept models together, unless given. A larger model is read as it is sent. Bytes. */
const MAX_KEPT_BYTES = 64 << 20;

/** What a population's devices get at a time: what rounds train, the live model, a canary. */
const KEPT_EACH = 3;

interface Kept {
  readonly chunks: Promise<readonly ArtifactChunk[] | null>;
  /** 0 until it is read. */
  bytes: number;
}

/**
 * The chunks of models, encoded once for all devices: a cohort downloads the same one at about the same time, and apps
 * another. The few that were asked for last are kept.
 */
export class ModelChunks {
  readonly #maximumModels: number;
  readonly #maximumBytes: number;
  /** By SHA-256, base64url; the one that was asked for last comes last. */
  readonly #kept = new Map<string, Kept>();

  constructor(populations: number, maximumBytes: number = MAX_KEPT_BYTES) {
    this.#maximumModels = KEPT_EACH * populations;
    this.#maximumBytes = maximumBytes;
  }

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
    const known = this.#kept.get(name);
    const kept: Kept = known ?? { chunks: encodeChunks(open, this.#maximumBytes), bytes: 0 };
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    if (known === undefined) {
      kept.chunks.then(
        (chunks) => {
          kept.bytes = (chunks ?? []).reduce((sum, { data }) => sum + data.length, 0);
          this.#letGo();
        },
        () => {
          if (this.#kept.get(name) === kept) this.#kept.delete(name);
        },
      );
      this.#letGo();
    }
    return kept.chunks;
  }

  /** Lets go of what was asked for longest ago, until the rest is within the bounds. */
  #letGo(): void {
    let bytes = 0;
    for (const kept of this.#kept.values()) bytes += kept.bytes;
    for (const [name, kept] of this.#kept) {
      if (bytes <= this.#maximumBytes && this.#kept.size <= this.#maximumModels) return;
      this.#kept.delete(name);
      bytes -= kept.bytes;
    }
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

async function encodeChunks(
  open: () => Promise<OpenArtifact>,
  maximumBytes: number,
): Promise<readonly ArtifactChunk[] | null> {
  await using artifact = await open();
  if (artifact.totalBytes > maximumBytes) return null;
  const chunks: ArtifactChunk[] = [];
  for await (const chunk of readChunks(artifact, 0)) chunks.push(encodedOnce(ArtifactChunkSchema, chunk));
  return chunks;
}
