import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { decodeBase64, encodeBase64, encodeUtf8 } from "../crypto/encoding.js";
import { sha256Text } from "../crypto/hash.js";
import { LedgerError } from "../errors.js";
import { type DurableFiles, durableFiles } from "../log/tile-folder.node.js";
import type { Head, WitnessStore } from "./witness.js";

const headFile = z.strictObject({
  origin: z.string(),
  size: z.int().check(z.gte(0)),
  root: z.string(),
  note: z.string(),
});

/**
 * A witness's store as one small file for each log, replaced whole and synced. One process may use a folder at a time;
 * its requests wait for each other.
 */
export function fileWitnessStore(folder: string, files: DurableFiles = durableFiles): WitnessStore {
  let turn: Promise<unknown> = Promise.resolve();

  async function latest(origin: string): Promise<Head | undefined> {
    let text: string;
    try {
      text = await readFile(pathOf(folder, origin), "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
    try {
      const { origin: own, size, root, note } = headFile.parse(JSON.parse(text));
      if (own !== origin) throw new Error(`It is of ${own}.`);
      return { size, root: decodeBase64(root), note };
    } catch (cause) {
      const told = `The witness's record of ${origin} is damaged; restore it from a backup.`;
      throw new LedgerError("BAD_PROOF", told, { cause });
    }
  }

  async function advance(origin: string, oldSize: number, { size, root, note }: Head): Promise<boolean> {
    if (((await latest(origin))?.size ?? 0) !== oldSize) return false;
    await mkdir(folder, { recursive: true });
    const path = pathOf(folder, origin);
    await files.write(`${path}.new`, encodeUtf8(JSON.stringify({ origin, size, root: encodeBase64(root), note })));
    await files.rename(`${path}.new`, path);
    await files.syncFolder(folder);
    return true;
  }

  return {
    latest,
    advance: (origin, oldSize, head) => {
      const result = turn.then(() => advance(origin, oldSize, head));
      turn = result.catch(() => undefined);
      return result;
    },
  };
}

function pathOf(folder: string, origin: string): string {
  return join(folder, `${sha256Text(encodeUtf8(origin))}.json`);
}
