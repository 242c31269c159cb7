/** Bytes by their SHA-256: models, and whatever else is too large for a database row. */
import { createHash, randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CoordinatorError } from "../errors.js";
import type { ContentStore } from "./content-store.js";

/** Hashing and writing go in steps of this size, so that a large model does not hold up the event loop. Bytes. */
const STEP_BYTES = 4 << 20;
const HASH_BYTES = 32;
const HASH_NAME = /^[0-9a-f]{64}$/;
/** Nobody writes for so long at one artifact. Milliseconds. */
const OLD_MS = 3_600_000;

/** One artifact, open for reading. */
export interface OpenArtifact {
  readonly totalBytes: number;
  /**
   * The bytes from `offset`, at most `length` of them.
   *
   * @throws CoordinatorError OUT_OF_RANGE when the offset is beyond the end
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function isOld(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > OLD_MS;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Makes a rename durable: the entry of the folder itself. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await file.read(target, filled, target.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** A content-addressed folder. A file that is there is whole: it was written aside, flushed and renamed. */
export class ArtifactStore implements ContentStore {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Opens the folder, makes it where there is none, and clears away what a killed process was writing.
   *
   * @param options.isShared whether other processes may be writing to it: then only what is old is cleared away
   */
  static async open(folder: string, options: { readonly isShared?: boolean } = {}): Promise<ArtifactStore> {
    const unfinished = join(folder, "unfinished");
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    for (const name of await readdir(unfinished)) {
      const path = join(unfinished, name);
      if (options.isShared === true && !(await isOld(path))) continue;
      await rm(path, { force: true });
    }
    return new ArtifactStore(folder);
  }

  /** The folder of a coordinator that may be running, for reading: nothing in it is made, nor cleared away. */
  static reader(folder: string): Pick<ArtifactStore, "read"> {
    return new ArtifactStore(folder);
  }

  /** Where an artifact lies: two hexadecimal digits of folder, then the whole hash. */
  path(sha256: Uint8Array): string {
    if (sha256.length !== HASH_BYTES) {
      throw new CoordinatorError("BAD_REQUEST", `expected a SHA-256 of ${HASH_BYTES} bytes, came ${sha256.length}`);
    }
    const name = Buffer.from(sha256).toString("hex");
    return join(this.#folder, name.slice(0, 2), name);
  }

  /**
   * Keeps the bytes for good; they are durable when this resolves. Putting the same bytes twice keeps one copy.
   *
   * @returns their SHA-256
   */
  async put(bytes: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const unfinished = join(this.#folder, "unfinished", randomUUID());
    const hash = createHash("sha256");
    try {
      const file = await open(unfinished, "wx", 0o600);
      try {
        for (let offset = 0; offset < bytes.length; offset += STEP_BYTES) {
          options.signal?.throwIfAborted();
          const step = bytes.subarray(offset, offset + STEP_BYTES);
          hash.update(step);
          await file.writeFile(step);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      options.signal?.throwIfAborted();
      const sha256 = hash.digest();
      const path = this.path(sha256);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rename(unfinished, path);
      await syncFolder(dirname(path));
      await syncFolder(this.#folder);
      return sha256;
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  async kept(): Promise<readonly Uint8Array[]> {
    const names = await readdir(this.#folder, { recursive: true });
    return names.flatMap((name) => {
      const file = basename(name);
      return HASH_NAME.test(file) ? [new Uint8Array(Buffer.from(file, "hex"))] : [];
    });
  }

  async writtenMs(sha256: Uint8Array): Promise<number | undefined> {
    return (await this.#stat(sha256))?.mtimeMs;
  }

  async remove(sha256: Uint8Array): Promise<void> {
    await rm(this.path(sha256), { force: true });
  }

  /** Whether the artifact is here, and how many bytes it has; undefined when it is not. */
  async size(sha256: Uint8Array): Promise<number | undefined> {
    return (await this.#stat(sha256))?.size;
  }

  async #stat(sha256: Uint8Array): Promise<Stats | undefined> {
    try {
      return await stat(this.path(sha256));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * Opens an artifact, for reading in parts. The parts are not checked: whoever has the whole compares its hash.
   *
   * @throws CoordinatorError NOT_FOUND
   */
  async openArtifact(sha256: Uint8Array): Promise<OpenArtifact> {
    const path = this.path(sha256);
    const file = await open(path, "r").catch((cause: unknown) => {
      if (!isMissing(cause)) throw cause;
      const name = Buffer.from(sha256).toString("hex");
      throw new CoordinatorError("NOT_FOUND", `expected the hash of an artifact that is kept here, came ${name}`, {
        cause,
      });
    });
    const close = (): Promise<void> => file.close();
    try {
      const { size: totalBytes } = await file.stat();
      const read = async (offset: number, length: number): Promise<Uint8Array> => {
        if (!Number.isSafeInteger(offset) || offset < 0 || offset > totalBytes) {
          throw new CoordinatorError("OUT_OF_RANGE", `expected an offset up to ${totalBytes}, came ${offset}`);
        }
        const bytes = new Uint8Array(Math.min(length, totalBytes - offset));
        const filled = await readFully(file, bytes, offset);
        return bytes.subarray(0, filled);
      };
      return { totalBytes, read, close, [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /**
   * A part of an artifact: at most `length` bytes from `offset`.
   *
   * @throws CoordinatorError NOT_FOUND, OUT_OF_RANGE
   */
  async range(sha256: Uint8Array, offset: number, length: number): Promise<{ bytes: Uint8Array; totalBytes: number }> {
    await using artifact = await this.openArtifact(sha256);
    return { bytes: await artifact.read(offset, length), totalBytes: artifact.totalBytes };
  }

  /**
   * The whole artifact, checked against its hash.
   *
   * @throws CoordinatorError NOT_FOUND, ARTIFACT_CORRUPT
   */
  async read(sha256: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    await using artifact = await this.openArtifact(sha256);
    const bytes = new Uint8Array(artifact.totalBytes);
    const hash = createHash("sha256");
    for (let offset = 0; offset < bytes.length; offset += STEP_BYTES) {
      options.signal?.throwIfAborted();
      const step = await artifact.read(offset, STEP_BYTES);
      hash.update(step);
      bytes.set(step, offset);
    }
    if (!hash.digest().equals(sha256)) {
      throw new CoordinatorError(
        "ARTIFACT_CORRUPT",
        `expected ${this.path(sha256)} to have the hash of its name, came other bytes; restore this file from a backup`,
      );
    }
    return bytes;
  }
}
