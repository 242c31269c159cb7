import {
  admitEntry,
  buildEntry,
  type ConsentView,
  coordinatorActor,
  decodeBase64Url,
  type Entry,
  type EntryBodies,
  type EntryBody,
  type EntryDraft,
  type EntryType,
  encodeBase64Url,
  entryBytes,
  entryLeafHash,
  parseEntry,
  type Signer,
} from "@fedloop/consent";
import type { CompiledQuery } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { StoreTransaction } from "../store/database.js";
import { asCoordinatorError } from "./ledger-error.js";

/** An entry with its place in the log. */
export interface Appended {
  readonly index: number;
  /** 32 bytes. */
  readonly leafHash: Uint8Array;
  /** Canonical JSON. */
  readonly entry: Uint8Array;
}

/** An appended entry as it was parsed. */
export interface ParsedAppended extends Appended {
  readonly parsed: Entry;
}

export interface EntryGroupOptions {
  readonly origin: string;
  readonly operatorSigner: Signer;
  readonly randomId: () => string;
}

/**
 * The entries that one database transaction adds, in order. Each is checked against the log as it will be when the
 * entries before it are in, so that nothing enters that an auditor would object to.
 */
export class EntryGroup {
  /** Stamped on the coordinator's entries, milliseconds since 1970. */
  readonly timeMs: number;
  readonly #options: EntryGroupOptions;
  readonly #firstIndex: number;
  readonly #entries: ParsedAppended[] = [];
  #view: ConsentView;
  #insertQuery: CompiledQuery | undefined;

  /** @param view of the log up to now; it goes ahead of the database until the transaction ends */
  constructor(options: EntryGroupOptions, view: ConsentView, timeMs: number) {
    this.#options = options;
    this.#view = view;
    this.#firstIndex = view.size;
    this.timeMs = timeMs;
  }

  get entries(): readonly ParsedAppended[] {
    return this.#entries;
  }

  /** The consent view with the group's entries in it. */
  get view(): ConsentView {
    return this.#view;
  }

  /** Builds, chains and signs an entry of the coordinator's. */
  async append<T extends EntryType>(transaction: StoreTransaction, type: T, body: EntryBodies[T]): Promise<Appended> {
    const chain = this.#view.actor(coordinatorActor);
    const head = {
      log: this.#options.origin,
      id: this.#options.randomId(),
      ts: this.timeMs,
      actor: coordinatorActor,
      aseq: chain?.nextSequence ?? 0,
      aprev: chain?.leafHash ?? null,
    };
    // A type and its body belong together by the signature of this method; the compiler does not follow that far.
    const draft = { ...head, type, body } as EntryBody & typeof head satisfies EntryDraft;
    return this.#admit(transaction, parseEntry(await buildEntry(draft, this.#options.operatorSigner)));
  }

  /** Takes an entry that its author signed. One that is in the log already gets its first place again. */
  async appendSigned(transaction: StoreTransaction, signed: Uint8Array | Entry): Promise<Appended> {
    try {
      const entry = signed instanceof Uint8Array ? parseEntry(new Uint8Array(signed)) : signed;
      const next = this.#view.actor(entry.actor)?.nextSequence ?? 0;
      const known = entry.aseq < next ? await this.#stored(transaction, entry) : undefined;
      return known ?? (await this.#admit(transaction, entry));
    } catch (cause) {
      throw asCoordinatorError(cause);
    }
  }

  /** How far the group is: for `rollBackTo`. */
  mark(): number {
    return this.#entries.length;
  }

  /**
   * Takes back what was appended after the mark.
   *
   * @param rebuild reads the consent view anew from the transaction, which has been rolled back to the mark; it is
   * asked only when there is something to take back
   */
  async rollBackTo(mark: number, rebuild: () => Promise<ConsentView>): Promise<void> {
    if (this.#entries.length === mark) return;
    this.#entries.length = mark;
    this.#view = await rebuild();
  }

  async #admit(transaction: StoreTransaction, parsed: Entry): Promise<Appended> {
    if (parsed.log !== this.#options.origin) {
      throw new CoordinatorError(
        "BAD_ENTRY",
        `expected an entry for the log ${this.#options.origin}, came one for ${parsed.log}`,
      );
    }
    admitEntry(this.#view, parsed);
    const index = this.#firstIndex + this.#entries.length;
    const appended = { index, leafHash: decodeBase64Url(entryLeafHash(parsed)), entry: entryBytes(parsed), parsed };
    await this.#insert(transaction, appended);
    this.#view.apply(index, parsed);
    this.#entries.push(appended);
    return appended;
  }

  async #insert(transaction: StoreTransaction, { index, leafHash, entry, parsed }: ParsedAppended): Promise<void> {
    const row = {
      index,
      id: parsed.id,
      type: parsed.type,
      actor: parsed.actor,
      aseq: parsed.aseq,
      leaf_hash: leafHash,
      bytes: entry,
    };
    // Compiled once: building the statement would take longer than running it.
    this.#insertQuery ??= transaction
      .insertInto("entries")
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .compile();
    const { numAffectedRows } = await transaction.executeQuery({
      ...this.#insertQuery,
      parameters: Object.values(row),
    });
    if (numAffectedRows !== 1n) {
      throw new CoordinatorError("CONFLICT", "expected an entry with an id of its own, came the id of another entry");
    }
  }

  /** The entry in this place of its author's chain, if it is this one. */
  async #stored(transaction: StoreTransaction, entry: Entry): Promise<Appended | undefined> {
    const row = await transaction
      .selectFrom("entries")
      .select(["index", "leaf_hash", "bytes"])
      .where("actor", "=", entry.actor)
      .where("aseq", "=", entry.aseq)
      .executeTakeFirst();
    if (row === undefined || encodeBase64Url(row.leaf_hash) !== entryLeafHash(entry)) return undefined;
    return { index: row.index, leafHash: row.leaf_hash, entry: row.bytes };
  }
}
