import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { type ObjectStore, Objm, StorageType } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { CoordinatorError } from "../errors.js";
import type { ArtifactStore, OpenArtifact } from "./artifact-store.js";
import type { ContentStore } from "./content-store.js";

/** Objects go in messages of this size, below the megabyte that servers take unless configured otherwise. Bytes. */
const CHUNK_BYTES = 128 << 10;
const HASH_NAME = /^[0-9a-f]{64}$/;
/** How long the server may take for one object, milliseconds. */
const TIMEOUT_MS = 60_000;
/** How long a server that cannot be reached is waited for, milliseconds. */
const PATIENCE_MS = 15_000;

/**
 * Artifacts in a NATS object store, with a folder of this process's own before it: what was read once is read from there,
 * in parts too. An object is there for others when it is whole.
 */
export class ObjectStoreArtifacts implements ContentStore {
  readonly #objects: ObjectStore;
  readonly #folder: ArtifactStore;
  readonly #fetching = new Map<string, Promise<void>>();

  private constructor(objects: ObjectStore, folder: ArtifactStore) {
    this.#objects = objects;
    this.#folder = folder;
  }

  /** @param bucket name of the object store, made where there is none; letters, digits, _ and - */
  static async open(connection: NatsConnection, bucket: string, folder: ArtifactStore): Promise<ObjectStoreArtifacts> {
    const objects = await new Objm(connection).create(bucket, { storage: StorageType.File });
    return new ObjectStoreArtifacts(objects, folder);
  }

  async put(bytes: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const sha256 = await this.#folder.put(bytes, options);
    const name = hex(sha256);
    if ((await this.#info(name)) !== undefined) return sha256;
    options.signal?.throwIfAborted();
    await this.#reached(() =>
      this.#objects.putBlob({ name, options: { max_chunk_size: CHUNK_BYTES } }, bytes, { timeout: TIMEOUT_MS }),
    );
    return sha256;
  }

  async kept(): Promise<readonly Uint8Array[]> {
    const there = await this.#reached(() => this.#objects.list());
    const hashes = there.filter(({ name, deleted }) => !deleted && HASH_NAME.test(name)).map(({ name }) => name);
    const all = new Set([...hashes, ...(await this.#folder.kept()).map(hex)]);
    return [...all].map((name) => new Uint8Array(Buffer.from(name, "hex")));
  }

  async writtenMs(sha256: Uint8Array): Promise<number | undefined> {
    const info = await this.#reached(() => this.#objects.info(hex(sha256)));
    return info === null || info.deleted ? this.#folder.writtenMs(sha256) : Date.parse(info.mtime);
  }

  async remove(sha256: Uint8Array): Promise<void> {
    const name = hex(sha256);
    if ((await this.#info(name)) !== undefined) await this.#reached(() => this.#objects.delete(name));
    await this.#folder.remove(sha256);
  }

  async size(sha256: Uint8Array): Promise<number | undefined> {
    return (await this.#folder.size(sha256)) ?? (await this.#info(hex(sha256)));
  }

  async openArtifact(sha256: Uint8Array): Promise<OpenArtifact> {
    await this.#fetch(sha256);
    return this.#folder.openArtifact(sha256);
  }

  async range(sha256: Uint8Array, offset: number, length: number): Promise<{ bytes: Uint8Array; totalBytes: number }> {
    await this.#fetch(sha256);
    return this.#folder.range(sha256, offset, length);
  }

  async read(sha256: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    await this.#fetch(sha256);
    return this.#folder.read(sha256, options);
  }

  /** Has the artifact in the folder; once, however many ask for it. */
  async #fetch(sha256: Uint8Array): Promise<void> {
    if ((await this.#folder.size(sha256)) !== undefined) return;
    const name = hex(sha256);
    let fetching = this.#fetching.get(name);
    if (fetching === undefined) {
      fetching = this.#fetchFrom(name).finally(() => this.#fetching.delete(name));
      this.#fetching.set(name, fetching);
    }
    await fetching;
  }

  async #fetchFrom(name: string): Promise<void> {
    const bytes = await this.#reached(() => this.#objects.getBlob(name));
    // Where there is none, the folder says so.
    if (bytes === null) return;
    if (createHash("sha256").update(bytes).digest("hex") !== name) {
      throw new CoordinatorError(
        "ARTIFACT_CORRUPT",
        `expected the object ${name} to have the hash of its name, came other bytes; put it back from a backup`,
      );
    }
    await this.#folder.put(bytes);
  }

  async #info(name: string): Promise<number | undefined> {
    const info = await this.#reached(() => this.#objects.info(name));
    return info === null || info.deleted ? undefined : info.size;
  }

  /** Asks until there is an answer, for a while: a server that is started again has kept everything. */
  async #reached<T>(ask: () => Promise<T>): Promise<T> {
    const patienceEndsMs = performance.now() + PATIENCE_MS;
    for (let waitMs = 50; ; waitMs = Math.min(2 * waitMs, 1_000)) {
      try {
        return await ask();
      } catch (cause) {
        if (performance.now() > patienceEndsMs) {
          throw new CoordinatorError("RETRY", "the object store cannot be reached; come back", {
            retryAfterMs: 1_000,
            cause,
          });
        }
      }
      await wait(waitMs);
    }
  }
}

/** Name of the bucket that holds a log's artifacts. */
export function bucketOf(origin: string): string {
  return `fedloop-${createHash("sha256").update(origin).digest("hex").slice(0, 16)}`;
}

function hex(sha256: Uint8Array): string {
  return Buffer.from(sha256).toString("hex");
}
