import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { encodeUtf8 } from "../crypto/encoding.js";
import { sha256Text } from "../crypto/hash.js";
import { LedgerError } from "../errors.js";
import { type DurableFiles, durableFiles } from "../log/tile-folder.node.js";
import type { VaultStore, WrappedKey } from "./vault.js";

const wrapFile = z.strictObject({ subjectId: z.string(), kek: z.string(), wrapped: z.string() });

/**
 * A vault as one file for each subject, replaced whole and synced. Deleting overwrites the file's bytes first; on media
 * that keep old blocks that alone is not enough, which is why keys are wrapped: rotate and destroy the old
 * key-encryption key to be sure.
 */
export function fileVaultStore(folder: string, files: DurableFiles = durableFiles): VaultStore {
  const pathOf = (subjectId: string): string => join(folder, `${sha256Text(encodeUtf8(subjectId))}.json`);

  async function read(path: string): Promise<z.infer<typeof wrapFile> | undefined> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const { success, data } = wrapFile.safeParse(parsed(text));
    if (!success) throw new LedgerError("BAD_CIPHERTEXT", "A file of the vault is damaged; restore it from a backup.");
    return data;
  }

  return {
    get: async (subjectId): Promise<WrappedKey | undefined> => {
      const file = await read(pathOf(subjectId));
      if (file === undefined) return undefined;
      if (file.subjectId !== subjectId)
        throw new LedgerError("BAD_CIPHERTEXT", "A file of the vault belongs to another subject.");
      return { kek: file.kek, wrapped: file.wrapped };
    },
    put: async (subjectId, { kek, wrapped }) => {
      await mkdir(folder, { recursive: true });
      const path = pathOf(subjectId);
      await files.write(`${path}.new`, encodeUtf8(JSON.stringify({ subjectId, kek, wrapped })));
      await files.rename(`${path}.new`, path);
      await files.syncFolder(folder);
    },
    delete: async (subjectId) => {
      const path = pathOf(subjectId);
      for (const copy of [path, `${path}.new`]) await shred(copy);
      await files.syncFolder(folder);
    },
    list: async function* () {
      for (const name of await namesIn(folder)) {
        const file = name.endsWith(".json") ? await read(join(folder, name)) : undefined;
        if (file !== undefined) yield file.subjectId;
      }
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
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
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
