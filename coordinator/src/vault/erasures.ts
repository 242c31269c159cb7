import { decodeBase64Url, parseEntry } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import type { Committer, Ledger, LedgerTransaction } from "../ledger/ledger.js";
import type { Device } from "../registry/device.js";
import type { Store } from "../store/database.js";
import type { Tombstones } from "./tombstones.js";
import type { Vault } from "./vault.js";

export interface ErasureDependencies {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly clock: { now(): number };
  /**
   * Who was erased, as a list of this process's own that an old copy of the database does not take back. Where coordinators share
   * the database each has one, and each erases again whom its list names.
   */
  readonly tombstones?: Tombstones | undefined;
}

/** The steps of an erasure. It may end at any of them; opening the coordinator again completes it. */
export type ErasureStep = "withdrawn" | "key destroyed" | "said" | "scrubbed";

/** Places in the log of what an erasure left there. */
export interface Erased {
  readonly withdrawals: readonly number[];
  readonly erasure: number;
}

interface Pending {
  readonly device_id: Uint8Array;
  readonly subject: string;
  readonly public_key: Uint8Array;
}

/**
 * Erases participants: the withdrawal enters the log together with a note to erase, the key is destroyed, the erasure
 * enters the log together with the deletion of all that is held outside of it. An entry that says "erased" is thus never
 * there before the key is gone, and a key that is gone never stays unsaid.
 */
export class Erasures {
  readonly #deps: ErasureDependencies;
  readonly #onStep: (step: ErasureStep) => void;
  /** Device keys of the erased, base64url. */
  readonly #keys = new Set<string>();
  /** Index of each subject's erasure entry. */
  readonly #indices = new Map<string, number>();
  readonly #running = new Map<string, Promise<Erased>>();
  /** Entries of the log that were looked at. */
  #readTo = 0;

  private constructor(deps: ErasureDependencies, onStep: (step: ErasureStep) => void) {
    this.#deps = deps;
    this.#onStep = onStep;
  }

  /**
   * Reads from the log who was erased, completes what was begun, and destroys again what a restored vault has brought
   * back. To be called before anyone is served.
   *
   * @param onStep told after each step; a fault that it throws ends the erasure there
   */
  static async open(
    deps: ErasureDependencies,
    onStep: (step: ErasureStep) => void = () => undefined,
  ): Promise<Erasures> {
    const erasures = new Erasures(deps, onStep);
    await erasures.#readLog();
    const pending = await deps.store.db.selectFrom("erasures").selectAll().execute();
    for (const row of pending) await erasures.#complete(row);
    await erasures.#eraseAgain();
    await erasures.#replay();
    if (deps.store.isShared) deps.ledger.onGrowth(() => void erasures.#follow().catch(() => undefined));
    return erasures;
  }

  /** Whether the key was a device's whose participant was erased. */
  isErasedKey(publicKey: Uint8Array): boolean {
    return this.#keys.has(Buffer.from(publicKey).toString("base64url"));
  }

  /** Place of a subject's erasure in the log. */
  indexOf(subject: string): number | undefined {
    return this.#indices.get(subject);
  }

  /**
   * Erases a participant.
   *
   * @param withdrawals the participant's signed withdrawals, checked by the caller
   * @param committer the ledger, or one that is fenced where coordinators share it
   * @throws CoordinatorError as `appendSigned`, and then nothing of it happened
   */
  erase(device: Device, withdrawals: readonly Uint8Array[], committer: Committer = this.#deps.ledger): Promise<Erased> {
    const running = this.#running.get(device.id);
    if (running !== undefined) return running;
    const work = this.#erase(device, withdrawals, committer).finally(() => this.#running.delete(device.id));
    this.#running.set(device.id, work);
    return work;
  }

  async #erase(device: Device, withdrawals: readonly Uint8Array[], committer: Committer): Promise<Erased> {
    const pending: Pending = {
      device_id: Buffer.from(device.id, "base64url"),
      subject: device.subject,
      public_key: device.publicKey,
    };
    const { result } = await committer.commit(async (tx) => {
      const indices: number[] = [];
      for (const entry of withdrawals) indices.push((await tx.appendSigned(entry)).index);
      await tx.db
        .insertInto("erasures")
        .values({ ...pending, requested_ms: this.#deps.clock.now() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return indices;
    });
    this.#onStep("withdrawn");
    return { withdrawals: result, erasure: await this.#complete(pending) };
  }

  async #complete({ device_id, subject, public_key }: Pending): Promise<number> {
    const { vault, ledger, store } = this.#deps;
    const key = Buffer.from(public_key).toString("base64url");
    this.#keys.add(key);
    await this.#deps.tombstones?.add({ subject, key });
    await vault.subjects.destroy(Buffer.from(device_id).toString("base64url"));
    this.#onStep("key destroyed");
    const { result } = await ledger.commit(async (tx) => {
      const { numDeletedRows } = await tx.db
        .deleteFrom("erasures")
        .where("device_id", "=", device_id)
        .executeTakeFirst();
      // Another coordinator has completed it meanwhile.
      if (numDeletedRows === 0n) return undefined;
      const erasure = await tx.append("erasure", { subject, reason: "requested" });
      await tx.db.deleteFrom("participants").where("device_id", "=", device_id).execute();
      await tx.db.deleteFrom("devices").where("device_id", "=", device_id).execute();
      return erasure.index;
    });
    if (result === undefined) await this.#readLog();
    else this.#indices.set(subject, result);
    this.#onStep("said");
    // What was deleted still stands in the write-ahead logs as it was.
    await store.scrub();
    await vault.scrub();
    this.#onStep("scrubbed");
    const index = this.#indices.get(subject);
    if (index === undefined) throw new CoordinatorError("LEDGER_CORRUPT", "expected a completed erasure in the log");
    return index;
  }

  /** Learns of the erasures that other coordinators have written since. */
  async #follow(): Promise<void> {
    if (this.#readTo >= this.#deps.ledger.size) return;
    await this.#readLog();
    await this.#remember();
  }

  /** Whom the log names is in the list too. */
  async #remember(): Promise<void> {
    const { tombstones, ledger } = this.#deps;
    for (const subject of this.#indices.keys()) {
      const key = ledger.view.actor(subject)?.key;
      if (key !== undefined) await tombstones?.add({ subject, key });
    }
  }

  async #readLog(): Promise<void> {
    const { store, ledger } = this.#deps;
    const { size } = ledger;
    const rows = await store.db
      .selectFrom("entries")
      .select(["index", "bytes"])
      .where("type", "=", "erasure")
      .where("index", ">=", this.#readTo)
      .where("index", "<", size)
      .orderBy("index")
      .execute();
    for (const { index, bytes } of rows) {
      const entry = parseEntry(new Uint8Array(bytes));
      if (entry.type !== "erasure") throw new CoordinatorError("LEDGER_CORRUPT", `expected an erasure at ${index}`);
      const { subject } = entry.body;
      this.#indices.set(subject, index);
      const key = ledger.view.actor(subject)?.key;
      if (key !== undefined) this.#keys.add(Buffer.from(decodeBase64Url(key)).toString("base64url"));
    }
    this.#readTo = size;
  }

  /** Those whom the list names and this log does not: an old copy of the database has brought them back. */
  async #eraseAgain(): Promise<void> {
    const { tombstones, ledger, store } = this.#deps;
    if (tombstones === undefined) return;
    await this.#remember();
    for (const { subject, key } of [...tombstones.all()]) {
      this.#keys.add(key);
      if (this.#indices.has(subject)) continue;
      const device = await store.db
        .selectFrom("devices")
        .select(["device_id", "subject", "public_key"])
        .where("subject", "=", subject)
        .executeTakeFirst();
      if (device !== undefined) {
        await store.db
          .insertInto("erasures")
          .values({ ...device, requested_ms: this.#deps.clock.now() })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        await this.#complete(device);
      } else if (ledger.view.actor(subject) !== undefined) {
        await this.#say(subject);
      }
    }
  }

  /** Lets the log say it, unless another coordinator with the same list has done so meanwhile. */
  async #say(subject: string): Promise<void> {
    const { result } = await this.#deps.ledger.commit(async (tx) => {
      if (await isSaid(tx, subject, this.#readTo)) return undefined;
      return tx.append("erasure", { subject, reason: "requested" });
    });
    if (result === undefined) await this.#readLog();
    else this.#indices.set(subject, result.index);
  }

  async #replay(): Promise<void> {
    if (this.#indices.size === 0) return;
    const { store, vault } = this.#deps;
    const populations = await store.db.selectFrom("populations").select("name").execute();
    await vault.subjects.replayErasures(
      new Set(this.#indices.keys()),
      populations.map(({ name }) => name),
    );
    await Promise.all([store.scrub(), vault.scrub()]);
  }
}

/** Whether the log has a subject's erasure from an index on. */
async function isSaid({ db }: Pick<LedgerTransaction, "db">, subject: string, from: number): Promise<boolean> {
  const rows = await db
    .selectFrom("entries")
    .select("bytes")
    .where("type", "=", "erasure")
    .where("index", ">=", from)
    .execute();
  return rows.some(({ bytes }) => {
    const entry = parseEntry(new Uint8Array(bytes));
    return entry.type === "erasure" && entry.body.subject === subject;
  });
}
