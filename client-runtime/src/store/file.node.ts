// One file for each key: written beside its place, made durable, then renamed.
import { mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ClientError } from "../errors.js";
import type { DeviceStore } from "./device-store.js";
import { checkKey } from "./memory.js";

const SUFFIX = ".value";
/** File systems take 255 bytes in a name; a key is cut into folders of this many hexadecimal digits. */
const PART_LENGTH = 200;

class FileStore implements DeviceStore {
  readonly #folder: string;
  /** Changes are made one after the other: a slow `put` is not to end after a later one. */
  #last: Promise<unknown> = Promise.resolve();
  #attempt = 0;
  /** Folders in which something was deleted since they were last made durable. */
  readonly #unsynced = new Set<string>();
  #closed = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#open();
    checkKey(key);
    await this.#last;
    try {
      return new Uint8Array(await readFile(this.#path(key)));
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw failed("read", cause);
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#open();
    checkKey(key);
    await this.#inOrder(async () => {
      const path = this.#path(key);
      const folder = join(path, "..");
      this.#attempt += 1;
      const temporary = `${path}.${this.#attempt}.new`;
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const file = await open(temporary, "w", 0o600);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, path);
        await syncFolder(folder);
      } catch (cause) {
        await unlink(temporary).catch(() => {});
        throw failed("write", cause);
      }
    });
  }

  async delete(key: string): Promise<void> {
    this.#open();
    checkKey(key);
    await this.#inOrder(async () => {
      try {
        const path = this.#path(key);
        await unlink(path);
        this.#unsynced.add(join(path, ".."));
      } catch (cause) {
        if (!isMissing(cause)) throw failed("delete from", cause);
      }
    });
    // Comes after all deletions that were asked for at the same time: they share one synchronisation.
    await this.#inOrder(async () => {
      for (const folder of this.#unsynced) {
        try {
          await syncFolder(folder);
        } catch (cause) {
          throw failed("delete from", cause);
        }
        this.#unsynced.delete(folder);
      }
    });
  }

  async keys(prefix: string): Promise<string[]> {
    this.#open();
    await this.#last;
    try {
      const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && entry.name.endsWith(SUFFIX))
        .map((entry) => keyOf(join(entry.parentPath, entry.name).slice(this.#folder.length)))
        .filter((key) => key.startsWith(prefix))
        .sort();
    } catch (cause) {
      if (isMissing(cause)) return [];
      throw failed("list", cause);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  #open(): void {
    if (this.#closed) throw new ClientError("STORE_FAILED", "expected an open store, this one was closed");
  }

  /** Hexadecimal, so that keys which differ by case only are two files on every file system. */
  #path(key: string): string {
    const hex = Buffer.from(key, "utf16le").toString("hex");
    const parts = hex.match(new RegExp(`.{1,${PART_LENGTH}}`, "g")) ?? [];
    return `${join(this.#folder, ...parts)}${SUFFIX}`;
  }
}

function keyOf(path: string): string {
  const hex = path.slice(0, -SUFFIX.length).replace(/[\\/]/g, "");
  return Buffer.from(hex, "hex").toString("utf16le");
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

function failed(verb: string, cause: unknown): ClientError {
  return new ClientError("STORE_FAILED", `could not ${verb} the device store; check its folder and the disk`, {
    cause,
  });
}

/**
 * A store in a folder of its own, readable by its owner only. One process uses a folder at a time.
 *
 * @param folder made when it is missing
 */
export function fileStore(folder: string): DeviceStore {
  return new FileStore(folder);
}
