import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { type DurableFiles, durableFiles } from "@fedloop/consent/node";
import { CoordinatorError } from "../errors.js";

const KEY_BYTES = 32;
const FILE = /^([1-9][0-9]{0,8})\.key$/;

/** The key-encryption keys of a vault: one file of 32 secret bytes each, numbered from 1. They lie apart from the wraps. */
export class KekFiles {
  readonly #folder: string;
  readonly #files: DurableFiles;
  readonly #known = new Map<string, Uint8Array>();

  constructor(folder: string, files: DurableFiles = durableFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  /** Numbers of the keys at hand, ascending. */
  numbers(): number[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch (cause) {
      if (isMissing(cause)) return [];
      throw cause;
    }
    return names
      .flatMap((name) => Number(FILE.exec(name)?.[1] ?? []))
      .filter((number) => number > 0)
      .sort((a, b) => a - b);
  }

  /** A key, or undefined where it is not (or no longer) there. @throws CoordinatorError FILE_UNREADABLE */
  get(name: string): Uint8Array | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const path = this.#pathOf(name);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(readFileSync(path));
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw cause;
    }
    if (bytes.length !== KEY_BYTES) {
      throw new CoordinatorError(
        "FILE_UNREADABLE",
        `expected ${KEY_BYTES} bytes of key in ${path}, came ${bytes.length}; restore the file from your backup`,
      );
    }
    this.#known.set(name, bytes);
    return bytes;
  }

  /** Makes a key, whole and durable or not at all. One that is there stays. */
  async make(name: string): Promise<void> {
    if (this.get(name) !== undefined) return;
    const path = this.#pathOf(name);
    await this.#files.makeFolder(this.#folder);
    await this.#files.write(`${path}.new`, randomBytes(KEY_BYTES), 0o600);
    await this.#files.rename(`${path}.new`, path);
    await this.#files.syncFolder(this.#folder);
  }

  /** Destroys a key: its file is overwritten, then removed. */
  async destroy(name: string): Promise<void> {
    this.#known.delete(name);
    const path = this.#pathOf(name);
    for (const copy of [path, `${path}.new`]) await shred(copy);
    await this.#files.syncFolder(this.#folder);
  }

  #pathOf(name: string): string {
    return join(this.#folder, `${name}.key`);
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

async function shred(path: string): Promise<void> {
  try {
    const handle = await open(path, "r+");
    try {
      const { size } = await handle.stat();
      await handle.write(new Uint8Array(size), 0, size, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rm(path);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
  }
}
