import { randomBytes } from "node:crypto";
import t from "tap";
import { DeviceRows } from "../../src/registry/device-rows.js";
import type { Store } from "../../src/store/database.js";
import { POPULATION, start } from "./fixture.js";

t.test("devices that come at once are written at once, and a key that comes twice is added once", async (t) => {
  const { store } = await start(t);
  let transactions = 0;
  const db: Store["db"] = Object.assign(Object.create(store.db), {
    transaction: () => {
      transactions += 1;
      return store.db.transaction();
    },
  });
  const rows = new DeviceRows({ ...store, db });
  const twice = randomBytes(32);
  const keys = [...Array.from({ length: 31 }, () => randomBytes(32)), twice, twice];
  const added = await Promise.all(
    keys.map((key) =>
      rows.add({
        device_id: randomBytes(16),
        population: POPULATION,
        public_key: key,
        subject: key.toString("hex"),
        session: randomBytes(16),
        session_expires_ms: 1,
        enrolled_ms: 0,
        left_ms: null,
      }),
    ),
  );
  t.same(added, [...keys.slice(1).map(() => true), false]);
  t.equal(transactions, 1);
});
