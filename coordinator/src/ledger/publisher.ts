import {
  collectCosignatures,
  equalBytes,
  formatAddCheckpoint,
  openCheckpoint,
  type SignatureVerifier,
  type TileName,
  type WitnessContact,
} from "@fedloop/consent";
import { TileFolder } from "@fedloop/consent/node";
import { CoordinatorError } from "../errors.js";
import type { Store } from "../store/database.js";
import type { Ledger } from "./ledger.js";
import { corrupt, type SignedCheckpoint } from "./log-state.js";
import type { PublishedLog } from "./published-log.js";

/** Who must have cosigned a checkpoint before it is published. */
export interface WitnessPolicy {
  readonly witnesses: readonly WitnessContact[];
  /** How many of them must have signed. */
  readonly quorum: number;
}

export interface PublisherOptions {
  readonly ledger: Ledger;
  readonly store: Store;
  /** The log's own verifier key. */
  readonly vkey: string;
  readonly verifier: SignatureVerifier;
  /** A folder that gets all that is published, as files; none unless given. */
  readonly tiles?: string | undefined;
  readonly witnesses?: WitnessPolicy | undefined;
  /** Told why nothing could be published, or which witness did not sign. It is tried again. */
  readonly onFault: (where: string, cause: unknown) => void;
  /** Least time between two publications, milliseconds: what is appended meanwhile goes out together. */
  readonly intervalMs?: number;
  /** How long a witness may take to answer, milliseconds. */
  readonly witnessTimeoutMs?: number;
}

const INTERVAL_MS = 200;
const WITNESS_TIMEOUT_MS = 10_000;
/** After a failure, the first wait and the longest. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/**
 * Publishes the log as it grows: asks the witnesses, writes the tiles, moves the published checkpoint forward. Entries
 * are acknowledged before that; what is published is what witnesses, mirrors and auditors see.
 */
export class Publisher implements PublishedLog {
  readonly #options: PublisherOptions;
  readonly #folder: TileFolder | undefined;
  readonly #stopping = new AbortController();
  readonly #lastSizes = new Map<string, number>();
  #published: { readonly size: number; readonly text: string };
  #running: Promise<void> | undefined;
  #unwatch: () => void = () => undefined;
  #faults = 0;

  private constructor(options: PublisherOptions, published: { readonly size: number; readonly text: string }) {
    this.#options = options;
    this.#folder = options.tiles === undefined ? undefined : new TileFolder(options.tiles);
    this.#published = published;
  }

  /**
   * Compares the log with what was published of it, then publishes as it grows.
   *
   * @throws CoordinatorError LEDGER_CORRUPT when more, or something else, is published than the log holds: an old copy of
   * the data folder was restored
   */
  static async open(options: PublisherOptions): Promise<Publisher> {
    const publisher = await Publisher.#checked(options, []);
    publisher.#unwatch = options.ledger.onGrowth(() => publisher.#wake());
    publisher.#wake();
    return publisher;
  }

  /**
   * Compares the log with what was published of it, and publishes nothing.
   *
   * @param options.known further checkpoints of this log that somebody has
   * @throws CoordinatorError LEDGER_CORRUPT as `open`
   */
  static async check({ known, ...options }: PublisherOptions & { readonly known: readonly string[] }): Promise<void> {
    await Publisher.#checked(options, known);
  }

  static async #checked(options: PublisherOptions, further: readonly string[]): Promise<Publisher> {
    const { ledger, store, tiles, witnesses } = options;
    if (witnesses === undefined) await store.db.deleteFrom("published").execute();
    const row = await store.db.selectFrom("published").select(["size", "text"]).executeTakeFirst();
    const empty = { size: 0, text: ledger.checkpoint().text };
    const publisher = new Publisher(options, witnesses === undefined ? ledger.checkpoint() : (row ?? empty));
    const known = [...further, row?.text, tiles === undefined ? undefined : await new TileFolder(tiles).checkpoint()];
    for (const text of known) if (text !== undefined) await publisher.#requirePrefix(text);
    await publisher.#requireWitnessed();
    return publisher;
  }

  checkpoint(): string {
    return this.#published.text;
  }

  tile(name: TileName): Promise<Uint8Array | undefined> {
    return this.#options.ledger.tile(name, this.#published.size);
  }

  /** Resolves when nothing waits to be published: all is, or it failed and is tried again later. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Ends the publication under way. Files are brought up to date; witnesses are asked again after the next start. */
  async close(): Promise<void> {
    this.#unwatch();
    this.#stopping.abort();
    await this.#running;
    const { ledger, witnesses } = this.#options;
    if (witnesses !== undefined || this.#folder === undefined || this.#written === ledger.size) return;
    await this.#publish().catch((cause) => this.#options.onFault("publishing the log", cause));
  }

  #wake(): void {
    if (this.#options.witnesses === undefined) {
      this.#published = this.#options.ledger.checkpoint();
      if (this.#folder === undefined) return;
    }
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (!this.#stopping.signal.aborted && this.#isBehind) this.#wake();
    });
  }

  #written = -1;

  get #isBehind(): boolean {
    return this.#written !== this.#options.ledger.size && this.#faults === 0;
  }

  async #run(): Promise<void> {
    const { ledger, onFault, intervalMs = INTERVAL_MS } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && this.#written !== ledger.size) {
      try {
        await this.#publish();
        this.#faults = 0;
        if (this.#written !== ledger.size) await waited(intervalMs, signal);
      } catch (cause) {
        if (signal.aborted) return;
        this.#faults += 1;
        onFault("publishing the log", cause);
        const retryMs = Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (this.#faults - 1));
        const timer = setTimeout(() => this.#wake(), retryMs);
        timer.unref();
        signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
        return;
      }
    }
  }

  async #publish(): Promise<void> {
    const { ledger } = this.#options;
    const checkpoint = ledger.checkpoint();
    const text = await this.#cosigned(checkpoint);
    await this.#folder?.publish(async (name) => {
      const bytes = await ledger.tile(name, checkpoint.size);
      if (bytes === undefined) throw corrupt(`expected the tile ${name.level}/${name.index} of the log, it is gone`);
      return bytes;
    }, text);
    // Readers of the folder see the checkpoint no later than readers of HTTP, so none is ahead of a restart.
    this.#published = { size: checkpoint.size, text };
    this.#written = checkpoint.size;
  }

  async #cosigned(checkpoint: SignedCheckpoint): Promise<string> {
    const { ledger, store, verifier, witnesses, onFault } = this.#options;
    if (witnesses === undefined) return checkpoint.text;
    const { quorum } = witnesses;
    const cosigned = await collectCosignatures(checkpoint.text, {
      witnesses: witnesses.witnesses.map((witness) => this.#timely(witness)),
      quorum,
      verifier,
      consistencyProof: (oldSize, newSize) => ledger.consistency(oldSize, newSize),
      lastSizes: this.#lastSizes,
    });
    for (const [name, reason] of cosigned.refused) onFault(`witness ${name}`, new Error(reason));
    for (const { vkey } of witnesses.witnesses) this.#lastSizes.set(vkey, checkpoint.size);
    const { size } = checkpoint;
    await store.db
      .insertInto("published")
      .values({ id: 1, size, text: cosigned.checkpoint })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ size, text: cosigned.checkpoint }))
      .execute();
    return cosigned.checkpoint;
  }

  #timely({ vkey, submit }: WitnessContact): WitnessContact {
    const { witnessTimeoutMs = WITNESS_TIMEOUT_MS } = this.#options;
    const { signal } = this.#stopping;
    return { vkey, submit: (body) => submit(body, AbortSignal.any([signal, AbortSignal.timeout(witnessTimeoutMs)])) };
  }

  /** What was published is a prefix of the log. */
  async #requirePrefix(text: string): Promise<void> {
    const { ledger, vkey, verifier } = this.#options;
    const { size, root } = await openCheckpoint(text, { vkey }, verifier).catch((cause: unknown) => {
      throw corrupt("expected the published checkpoint to be signed by this log's key and origin, it is not", cause);
    });
    if (size > ledger.size) throw rolledBack(`${size} entries are published`, ledger.size);
    if (!equalBytes(root, ledger.rootAt(size))) {
      throw corrupt(`expected the published checkpoint of ${size} entries to be of this log, it has another root`);
    }
  }

  /** No witness has seen more of the log than there is. One that cannot be reached says nothing. */
  async #requireWitnessed(): Promise<void> {
    const { ledger, witnesses } = this.#options;
    if (witnesses === undefined) return;
    const { size, text: checkpoint } = ledger.checkpoint();
    await Promise.all(
      witnesses.witnesses.map(async (witness) => {
        const body = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint });
        const answer = await this.#timely(witness)
          .submit(body)
          .catch(() => undefined);
        if (answer?.status !== 409 || !/^[0-9]{1,15}\n$/.test(answer.body)) return;
        const cosigned = Number(answer.body);
        if (cosigned > size) throw rolledBack(`a witness has cosigned ${cosigned} entries`, size);
        this.#lastSizes.set(witness.vkey, cosigned);
      }),
    );
  }
}

function rolledBack(seen: string, size: number): CoordinatorError {
  return new CoordinatorError(
    "LEDGER_CORRUPT",
    `expected the newest state of the log, came one of ${size} entries while ${seen}: an old copy of the data folder was restored; restore the newest one, or start a log under a new origin`,
  );
}

function waited(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
