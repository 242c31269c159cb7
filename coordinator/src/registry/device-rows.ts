import type { Insertable } from "kysely";
import type { DevicesTable, Store } from "../store/database.js";
import { statementRows } from "../store/statement-rows.js";

type DeviceRow = Insertable<DevicesTable>;

interface Waiting {
  readonly row: DeviceRow;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (cause: unknown) => void;
}

/** Adds devices to the store. Those of one turn of the event loop go in one transaction: a crowd waits for the disk once, not each. */
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
    try {
      const added = await this.#store.db.transaction().execute(async (tx) => {
        const names = new Set<string>();
        for (const some of statementRows(all)) {
          const rows = await tx
            .insertInto("devices")
            .values(some.map(({ row }) => row))
            .onConflict((conflict) => conflict.columns(["population", "public_key"]).doNothing())
            .returning("device_id")
            .execute();
          for (const { device_id: id } of rows) names.add(nameOf(id));
        }
        return names;
      });
      for (const { row, resolve } of all) resolve(added.has(nameOf(row.device_id)));
    } catch (cause) {
      for (const { reject } of all) reject(cause);
    }
  }
}

function nameOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}
