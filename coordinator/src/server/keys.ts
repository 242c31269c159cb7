import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type NodeSigner, nodeSigner } from "@fedloop/consent/node";
import { CoordinatorError } from "../errors.js";

/** The coordinator's keys. The two that sign, ledger entries and checkpoints, are never the same. */
export interface CoordinatorKeys {
  readonly operator: NodeSigner;
  readonly checkpoint: NodeSigner;
  /** Seals the noise that runs of DP-FTRL carry from round to round, 32 bytes. */
  readonly noise: Uint8Array;
  /** What the processes of one log know each other by, and seal what passes between them with, 32 bytes. */
  readonly cluster: Uint8Array;
}

/**
 * Reads the keys of a folder, or makes them on first use. Each is a file of 32 secret bytes that only its owner
 * can read.
 *
 * @throws CoordinatorError FILE_UNREADABLE
 */
export async function loadKeys(folder: string): Promise<CoordinatorKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return {
    operator: await loadSigner(join(folder, "operator.key")),
    checkpoint: await loadSigner(join(folder, "checkpoint.key")),
    noise: await seed(join(folder, "noise.key")),
    cluster: await loadClusterKey(folder),
  };
}

/** The one key that an aggregator needs, made where there is none. @throws CoordinatorError FILE_UNREADABLE */
export async function loadClusterKey(folder: string): Promise<Uint8Array> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return seed(join(folder, "cluster.key"));
}

/** The signer whose 32 secret bytes are in a file, which is made where there is none. @throws CoordinatorError FILE_UNREADABLE */
export async function loadSigner(path: string): Promise<NodeSigner> {
  return nodeSigner(await seed(path));
}

async function seed(path: string): Promise<Uint8Array> {
  const made = await make(path);
  const bytes = made ?? (await readFile(path));
  if (bytes.length !== 32) {
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected 32 bytes of key in ${path}, came ${bytes.length}; restore the file from your backup`,
    );
  }
  return new Uint8Array(bytes);
}

/** A new key, or undefined when the file is there already. */
async function make(path: string): Promise<Uint8Array | undefined> {
  try {
    const unfinished = `${path}.${randomUUID()}`;
    const bytes = randomBytes(32);
    try {
      await writeFile(unfinished, bytes, { flag: "wx", mode: 0o600, flush: true });
      // Whole at once, and only where there is none: another coordinator may be making it too.
      await link(unfinished, path);
    } finally {
      await rm(unfinished, { force: true });
    }
    return bytes;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return undefined;
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected to write a key to ${path}; check the folder's permissions`,
      { cause },
    );
  }
}
