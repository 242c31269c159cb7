import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { type ObjectStore, Objm, StorageType } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import { CoordinatorError } from "../errors.js";
import { Questions } from "../messaging/questions.js";
import type { ArtifactStore, OpenArtifact } from "./artifact-store.js";
import type { ContentStore } from "./content-store.js";

/** Objects go in messages of this size, below the megabyte that servers take unless configured otherwise. Bytes. */
const CHUNK_BYTES = 128 << 10;
const HASH_NAME = /^[0-9a-f]{64}$/;
/** How long the server may take for a chunk, milliseconds. */
const CHUNK_MS = 10_000;
/** How long it may take to tell what it has, milliseconds. */
const ANSWER_MS = 30_000;
/** No object takes longer, milliseconds. */
const OBJECT_MS = 30 * 60_000;
/** How long a server that cannot be reached is waited for, milliseconds. */
const PATIENCE_MS = 15_000;

/**
 * Artifacts in a NATS object store, with a folder of this process's own before it: what was read once is read from there,
 * in parts too. An object is there for others when it is whole.
 */
export class ObjectStoreArtifacts implements ContentStore {
  readonly #connection: NatsConnection;
  readonly #bucket: string;
  readonly #folder: ArtifactStore;
  readonly #questions: Questions;
  readonly #fetching = new Map<string, Promise<void>>();
  #objects: ObjectStore;
  #mending: Promise<void> | undefined;

  private constructor(connection: NatsConnection, bucket: string, folder: ArtifactStore, objects: ObjectStore) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#folder = folder;
    this.#objects = objects;
    this.#questions = new Questions(connection);
  }

  /** @param bucket name of the object store, made where there is none; letters, digits, _ and - */
  static async open(connection: NatsConnection, bucket: string, folder: ArtifactStore): Promise<ObjectStoreArtifacts> {
    return new ObjectStoreArtifacts(connection, bucket, folder, await made(connection, bucket));
  }

  /** From now on what this process has is put into the bucket when it is missing: now, and whenever the server is there again. */
  keepWhole(): void {
    this.#questions.onReconnect(() => this.#mend());
    this.#mend();
  }

  async put(bytes: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const sha256 = await this.#folder.put(bytes, options);
    const name = hex(sha256);
    if ((await this.#info(name)) !== undefined) return sha256;
    options.signal?.throwIfAborted();
    await this.#putObject(name, bytes);
    return sha256;
  }

  async kept(): Promise<readonly Uint8Array[]> {
    const there = await this.#reached((objects) => objects.list());
    const hashes = there.filter(({ name, deleted }) => !deleted && HASH_NAME.test(name)).map(({ name }) => name);
    const all = new Set([...hashes, ...(await this.#folder.kept()).map(hex)]);
    return [...all].map((name) => new Uint8Array(Buffer.from(name, "hex")));
  }

  async writtenMs(sha256: Uint8Array): Promise<number | undefined> {
    const info = await this.#reached((objects) => objects.info(hex(sha256)));
    return info === null || info.deleted ? this.#folder.writtenMs(sha256) : Date.parse(info.mtime);
  }

  async remove(sha256: Uint8Array): Promise<void> {
    const name = hex(sha256);
    if ((await this.#info(name)) !== undefined) await this.#reached((objects) => objects.delete(name));
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
    const bytes = await this.#reached((objects) => this.#blob(objects, name), OBJECT_MS);
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
    const info = await this.#reached((objects) => objects.info(name));
    return info === null || info.deleted ? undefined : info.size;
  }

  async #putObject(name: string, bytes: Uint8Array): Promise<void> {
    const meta = { name, options: { max_chunk_size: CHUNK_BYTES } };
    await this.#reached((objects) => objects.putBlob(meta, bytes, { timeout: CHUNK_MS }), OBJECT_MS);
  }

  /** An object, of which each chunk comes in time: what a server that crashed was sending never ends. */
  async #blob(objects: ObjectStore, name: string): Promise<Uint8Array | null> {
    const found = await objects.get(name);
    if (found === null) return null;
    found.error.catch(() => undefined);
    const reader = found.data.getReader();
    const chunks: Uint8Array[] = [];
    try {
      for (;;) {
        const { done, value } = await this.#questions.ask(() => reader.read(), CHUNK_MS);
        if (done) return Buffer.concat(chunks);
        chunks.push(value);
      }
    } finally {
      void reader.cancel().catch(() => undefined);
    }
  }

  /** Asks until there is an answer, for a while: a server that is started again has kept everything, or is given it again. */
  async #reached<T>(ask: (objects: ObjectStore) => Promise<T>, limitMs: number = ANSWER_MS): Promise<T> {
    const patienceEndsMs = performance.now() + PATIENCE_MS;
    for (let waitMs = 50; ; waitMs = Math.min(2 * waitMs, 1_000)) {
      try {
        return await this.#questions.ask(() => ask(this.#objects), limitMs);
      } catch (cause) {
        if (performance.now() > patienceEndsMs) {
          throw new CoordinatorError("RETRY", "the object store cannot be reached; come back", {
            retryAfterMs: 1_000,
            cause,
          });
        }
        if (isLost(cause) && (await this.#make().catch(() => false))) this.#mend();
      }
      await wait(waitMs);
    }
  }

  async #make(): Promise<boolean> {
    this.#objects = await this.#questions.ask(() => made(this.#connection, this.#bucket), ANSWER_MS);
    return true;
  }

  /** Puts what the folder has and the bucket lacks, while everything else goes on. What could not be put is, the next time. */
  #mend(): void {
    this.#mending ??= this.#putMissing()
      .catch(() => undefined)
      .finally(() => {
        this.#mending = undefined;
      });
  }

  async #putMissing(): Promise<void> {
    await this.#make();
    const there = new Set((await this.#reached((objects) => objects.list())).map(({ name }) => name));
    for (const sha256 of await this.#folder.kept()) {
      const name = hex(sha256);
      if (there.has(name)) continue;
      // What was removed is remembered as such, and stays so.
      if ((await this.#reached((objects) => objects.info(name))) !== null) continue;
      await this.#putObject(name, await this.#folder.read(sha256));
    }
  }
}

/** Whether the server has no such bucket. */
function isLost(cause: unknown): boolean {
  return cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound;
}

function made(connection: NatsConnection, bucket: string): Promise<ObjectStore> {
  return new Objm(connection).create(bucket, { storage: StorageType.File });
}

/** Name of the bucket that holds a log's artifacts. */
export function bucketOf(origin: string): string {
  return `fedloop-${createHash("sha256").update(origin).digest("hex").slice(0, 16)}`;
}

function hex(sha256: Uint8Array): string {
  return Buffer.from(sha256).toString("hex");
}
