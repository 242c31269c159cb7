import { createHash } from "node:crypto";
import { CHUNK_BYTES } from "@fedloop/proto";
import { Told } from "./told.js";

interface Upload {
  readonly chunks: Map<number, Uint8Array>;
  readonly totalBytes: number;
}

interface Chunk {
  readonly offset: bigint;
  readonly totalBytes: bigint;
  readonly data: Uint8Array;
  readonly sha256: Uint8Array;
}

/** Updates that come in chunks, by device. */
export class TestUploads {
  readonly #uploads = new Map<string, Upload>();

  take(deviceId: string, { offset, totalBytes, data, sha256 }: Chunk): { nextOffset: bigint } {
    const upload = this.#uploads.get(deviceId) ?? { chunks: new Map(), totalBytes: Number(totalBytes) };
    this.#uploads.set(deviceId, upload);
    if (data.length === 0) return { nextOffset: BigInt(nextOffset(upload)) };
    if (!createHash("sha256").update(data).digest().equals(sha256)) throw new Told("BAD_DIGEST");
    upload.chunks.set(Number(offset), data.slice());
    return { nextOffset: BigInt(nextOffset(upload)) };
  }

  assemble(deviceId: string, chunksSha256: Uint8Array): Uint8Array {
    const upload = this.#uploads.get(deviceId);
    if (upload === undefined || nextOffset(upload) < upload.totalBytes) throw new Told("INCOMPLETE_UPLOAD");
    const chunks = [...upload.chunks].sort(([a], [b]) => a - b).map(([, chunk]) => chunk);
    const hash = createHash("sha256");
    for (const chunk of chunks) hash.update(createHash("sha256").update(chunk).digest());
    if (!hash.digest().equals(chunksSha256)) throw new Told("BAD_DIGEST");
    return Buffer.concat(chunks);
  }

  /** Loses a part of every upload. */
  drop(offset: number): void {
    for (const upload of this.#uploads.values()) upload.chunks.delete(offset);
  }

  clear(): void {
    this.#uploads.clear();
  }
}

function nextOffset({ chunks, totalBytes }: Upload): number {
  let offset = 0;
  while (chunks.has(offset)) offset += CHUNK_BYTES;
  return Math.min(offset, totalBytes);
}
