import type { Insertable } from "kysely";
import type { DevicesTable, Store } from "../store/database.js";

type DeviceRow = Insertable<DevicesTable>;

interface Waiting {
  readonly row: DeviceRow;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (cause: unknown) => void;
}

/** Rows of one statement: SQLite takes 32 766 values in all. */
const ROWS_A_STATEMENT = 500;

/** Adds devices to the store. Those of one turn of the event loop go in one statement: a crowd waits for the disk once, not each. */
export class DeviceRows {
  readonly #store: Store;
  readonly #waiting: Waiting[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** @returns false when the population has the key already; nothing is then changed */
  add(row: DeviceRow): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => void this.#write());
    });
  }

  async #write(): Promise<void> {
    const all = this.#waiting.splice(0);
    for (let start = 0; start < all.length; start += ROWS_A_STATEMENT) {
      const some = all.slice(start, start + ROWS_A_STATEMENT);
      try {
        const rows = await this.#store.db
          .insertInto("devices")
          .values(some.map(({ row }) => row))
          .onConflict((conflict) => conflict.columns(["population", "public_key"]).doNothing())
          .returning("device_id")
          .execute();
        const added = new Set(rows.map(({ device_id: id }) => nameOf(id)));
        for (const { row, resolve } of some) resolve(added.has(nameOf(row.device_id)));
      } catch (cause) {
        for (const { reject } of some) reject(cause);
      }
    }
  }
}

function nameOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}
