import { entryBundleBytes, type TileName, tileBytes, tileWidth } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import type { Store } from "../store/database.js";
import type { KnownLog } from "./known-log.js";
import { asCoordinatorError } from "./ledger-error.js";
import { corrupt, readEntries } from "./log-state.js";
import type { RecentEntries } from "./recent-entries.js";

/** Proof that an entry is in the log. */
export interface Receipt {
  readonly entry: Uint8Array;
  readonly index: number;
  /** RFC 6962 audit path, leaf to root, in the tree of the checkpoint. */
  readonly path: readonly Uint8Array[];
  /** C2SP signed note. */
  readonly checkpoint: string;
  /** Of the checkpoint's tree: what a consistency proof for the same receiver must end at. */
  readonly size: number;
}

/** Entries, proofs and tiles of what is durable. */
export class LogReader {
  readonly #db: Store["db"];
  readonly #log: KnownLog;
  readonly #recent: RecentEntries;

  constructor(db: Store["db"], log: KnownLog, recent: RecentEntries) {
    this.#db = db;
    this.#log = log;
    this.#recent = recent;
  }

  /**
   * An entry's bytes.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  async entry(index: number): Promise<Uint8Array> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#log.size) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected an index below ${this.#log.size}, came ${index}`);
    }
    const recent = this.#recent.get(index);
    if (recent !== undefined) return recent;
    for await (const { bytes } of readEntries(this.#db, index, index + 1)) {
      this.#recent.add(index, bytes);
      return bytes;
    }
    throw corrupt(`expected entry ${index} in the database, it is gone`);
  }

  /** The bytes of entries [from, to), in order. @throws CoordinatorError OUT_OF_RANGE */
  async *entries(from = 0, to: number = this.#log.size): AsyncGenerator<Uint8Array> {
    if (to > this.#log.size || from < 0 || from > to) {
      throw new CoordinatorError(
        "OUT_OF_RANGE",
        `expected a range in ${this.#log.size} entries, came ${from} to ${to}`,
      );
    }
    for await (const { bytes } of readEntries(this.#db, from, to)) yield bytes;
  }

  /**
   * An entry with the proof that it is in the newest checkpoint's tree.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  async receipt(index: number): Promise<Receipt> {
    const entry = await this.entry(index);
    const { size, text } = this.#log.checkpoint;
    return { entry, index, path: this.#log.tree.inclusionProof(index, size), checkpoint: text, size };
  }

  /**
   * RFC 6962 proof that the tree of the older size is a prefix of the newer one; empty where nothing is to be proved.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  consistency(oldSize: number, newSize: number = this.#log.size): readonly Uint8Array[] {
    if (newSize > this.#log.size) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected sizes up to ${this.#log.size}, came ${newSize}`);
    }
    try {
      return this.#log.tree.consistencyProof(oldSize, newSize);
    } catch (cause) {
      throw asCoordinatorError(cause);
    }
  }

  /**
   * The bytes of a tile or entry bundle (C2SP tlog-tiles) of the tree of `size` entries; undefined where that tree has
   * none such.
   *
   * @throws CoordinatorError OUT_OF_RANGE for a size that is not durable yet
   */
  async tile(name: TileName, size: number = this.#log.size): Promise<Uint8Array | undefined> {
    if (size > this.#log.size)
      throw new CoordinatorError("OUT_OF_RANGE", `expected a size up to ${this.#log.size}, came ${size}`);
    const { level, width } = name;
    const first = Number(name.index) * tileWidth;
    const available = level === "entries" ? size : Math.floor(size / tileWidth ** level);
    if (first + width > available) return undefined;
    if (level !== "entries") {
      return tileBytes(Array.from({ length: width }, (_, at) => this.#log.tree.completeSubtree(8 * level, first + at)));
    }
    const entries: Uint8Array[] = [];
    for await (const bytes of this.entries(first, first + width)) entries.push(bytes);
    return entryBundleBytes(entries);
  }

  /** Root of the tree of the first `size` entries, 32 bytes. @throws CoordinatorError OUT_OF_RANGE */
  rootAt(size: number): Uint8Array {
    if (size > this.#log.size) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected a size up to ${this.#log.size}, came ${size}`);
    }
    return this.#log.tree.root(size);
  }
}
