import { randomBytes } from "node:crypto";
import type { KyselyPlugin } from "kysely";
import t from "tap";
import { DeviceRows } from "../../src/registry/device-rows.js";
import { POPULATION, start } from "./fixture.js";

t.test("devices that come at once are written at once, and a key that comes twice is added once", async (t) => {
  const { store } = await start(t);
  let inserts = 0;
  const counting: KyselyPlugin = {
    transformQuery: ({ node }) => {
      if (node.kind === "InsertQueryNode") inserts += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  const rows = new DeviceRows({ ...store, db: store.db.withPlugin(counting) });
  const twice = randomBytes(32);
  const keys = [...Array.from({ length: 30 }, () => randomBytes(32)), twice, twice];
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
  t.equal(inserts, 1);
});
