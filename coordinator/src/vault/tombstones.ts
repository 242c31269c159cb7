import { mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { vaultPlaces } from "./vault.js";

/** Who was erased: what the log says of it anyway, and nothing that the erasure has destroyed. */
export interface Tombstone {
  /** The participant's pseudonym. */
  readonly subject: string;
  /** Its device key, base64url. */
  readonly key: string;
}

const line = z.strictObject({
  subject: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  key: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

/** Beside the vault, so that neither the loss of the data folder nor an old copy of it takes the list away. */
export function tombstonesPath({
  dataDir,
  vaultDir,
}: {
  readonly dataDir: string;
  readonly vaultDir?: string | undefined;
}): string {
  return join(vaultPlaces(dataDir, vaultDir).vaultDir, "erased.jsonl");
}

/**
 * The list of erased participants, apart from the database: an old copy of that one does not know who was erased since. It
 * only grows.
 */
export class Tombstones {
  readonly #path: string;
  readonly #known: Map<string, Tombstone>;
  /** Bytes of whole lines. */
  #length: number;

  private constructor(path: string, known: Map<string, Tombstone>, length: number) {
    this.#path = path;
    this.#known = known;
    this.#length = length;
  }

  /** @throws CoordinatorError STORE_UNREADABLE for a list that is damaged */
  static async open(path: string): Promise<Tombstones> {
    const text = await readFile(path, "utf8").catch((cause: unknown) => {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return "";
      throw cause;
    });
    // What follows the last line end was being written when the power went: its erasure was not said yet, and is done again.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const known = new Map<string, Tombstone>();
    for (const [at, written] of whole.split("\n").slice(0, -1).entries()) {
      const parsed = parse(written);
      if (parsed === undefined) {
        throw new CoordinatorError(
          "STORE_UNREADABLE",
          `expected the list of erased participants, came another line ${at + 1} in ${path}; restore it from a backup of the vault`,
        );
      }
      known.set(parsed.subject, parsed);
    }
    return new Tombstones(path, known, Buffer.byteLength(whole));
  }

  all(): Iterable<Tombstone> {
    return this.#known.values();
  }

  /** Adds to the list; durable when it resolves. */
  async add(tombstone: Tombstone): Promise<void> {
    if (this.#known.has(tombstone.subject)) return;
    this.#known.set(tombstone.subject, tombstone);
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const line = `${JSON.stringify({ subject: tombstone.subject, key: tombstone.key })}\n`;
    const file = await open(this.#path, "a", 0o600);
    try {
      await file.truncate(this.#length);
      await file.appendFile(line);
      await file.sync();
      this.#length += Buffer.byteLength(line);
    } finally {
      await file.close();
    }
  }
}

function parse(written: string): Tombstone | undefined {
  try {
    return line.parse(JSON.parse(written));
  } catch {
    return undefined;
  }
}
