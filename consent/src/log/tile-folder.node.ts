// A tiled log as files, each complete or absent whatever happens: written beside its name, synced, renamed, and the
// folder synced, in that order.
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LedgerError } from "../errors.js";
import { readUnverifiedCheckpoint } from "./checkpoint.js";
import { newTileNames } from "./tile-writer.js";
import { parseTilePath, type TileName, tilePath } from "./tiles.js";

/** The calls that make a file durable. Tests let each of them fail. */
export interface DurableFiles {
  readonly makeFolder: (path: string) => Promise<void>;
  /** @param mode permissions of a file that is made by this */
  readonly write: (path: string, bytes: Uint8Array, mode?: number) => Promise<void>;
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly syncFolder: (path: string) => Promise<void>;
}

async function withHandle(handle: FileHandle, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}

/** The real file system: every write and every folder is synced before the call returns. */
export const durableFiles: DurableFiles = {
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true });
  },
  write: async (path, bytes, mode) => {
    await withHandle(await open(path, "w", mode), async (handle) => {
      await handle.writeFile(bytes);
      await handle.sync();
    });
  },
  rename,
  syncFolder: async (path) => {
    await withHandle(await open(path, constants.O_RDONLY | constants.O_DIRECTORY), (handle) => handle.sync());
  },
};

/** A folder that holds a tiled log: `checkpoint` and `tile/…`, ready to be served as static files. */
export class TileFolder {
  readonly #path: string;
  readonly #files: DurableFiles;

  constructor(path: string, files: DurableFiles = durableFiles) {
    this.#path = path;
    this.#files = files;
  }

  /**
   * Publishes the growth of a log: all new tiles first, then the signed checkpoint. After a crash the same call
   * completes what was begun.
   *
   * @param tile the bytes of a tile; `tileOf` makes them of a tree
   * @throws LedgerError OUT_OF_RANGE when more is published than the checkpoint has
   */
  async publish(
    tile: (name: TileName) => Uint8Array | Promise<Uint8Array>,
    checkpoint: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const { size } = readUnverifiedCheckpoint(checkpoint);
    const published = await this.checkpoint();
    const oldSize = published === undefined ? 0 : readUnverifiedCheckpoint(published).size;
    if (oldSize > size)
      throw new LedgerError(
        "OUT_OF_RANGE",
        `${oldSize} entries are published, more than the ${size} to publish: was an old copy of the log restored?`,
      );
    for (const name of newTileNames(oldSize, size)) {
      signal?.throwIfAborted();
      await this.#put(tilePath(name), await tile(name));
    }
    await this.#put("checkpoint", new TextEncoder().encode(checkpoint));
  }

  /** The published checkpoint; undefined before the first. */
  async checkpoint(): Promise<string | undefined> {
    try {
      return await readFile(join(this.#path, "checkpoint"), "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Reads a tile or the checkpoint; the path is one of a tiled log and no other. @throws LedgerError BAD_TILE */
  async read(path: string): Promise<Uint8Array> {
    if (path !== "checkpoint") parseTilePath(path);
    return new Uint8Array(await readFile(join(this.#path, path)));
  }

  async #put(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.#path, path);
    const folder = dirname(target);
    const temporary = `${target}.new`;
    await this.#files.makeFolder(folder);
    try {
      await this.#files.write(temporary, bytes);
      await this.#files.rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await this.#files.syncFolder(folder);
  }
}
