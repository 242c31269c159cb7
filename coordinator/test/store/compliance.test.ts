// One suite for each thing that is kept, over every database.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CompiledQuery, sql } from "kysely";
import t from "tap";
import { accessStorePath } from "../../src/access/access-store.js";
import { openAccess } from "../../src/access/open-access.js";
import { openPostgresStore } from "../../src/store/postgres.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { admit, admitInThread } from "../access/admitting.js";
import { accessCompliance } from "../access/compliance.js";
import { temporaryFolder } from "../temporary-folder.js";
import { webhooksCompliance } from "../webhooks/compliance.js";
import { sharedWebhooks } from "../webhooks/shared.js";
import { type StoreUnderTest, storeCompliance } from "./compliance.js";
import { PostgresServer, withoutPostgres } from "./postgres-server.js";

t.test("SQLite", async (t) => {
  const sqlite: StoreUnderTest = {
    place: async (t) => join(temporaryFolder(t), "data", "fedloop.sqlite"),
    open: (path) => openSqliteStore(path),
    plan: async (db, query, parameters) => {
      const explained = CompiledQuery.raw(`explain query plan ${query}`, [...parameters]);
      return JSON.stringify((await db.executeQuery(explained)).rows);
    },
  };
  storeCompliance(t, sqlite);
  webhooksCompliance(t, sqlite);
  accessCompliance(t, {
    place: async (t) => ({ dataDir: temporaryFolder(t) }),
    open: openAccess,
    admitElsewhere: ({ dataDir }, invitation, devices) =>
      admitInThread({ path: accessStorePath(dataDir), invitation, devices }),
    contents: async ({ dataDir }) => {
      const path = accessStorePath(dataDir);
      return Buffer.concat([readFileSync(path), readFileSync(`${path}-wal`)]);
    },
  });
});

t.test("PostgreSQL", { skip: withoutPostgres() }, async (t) => {
  const server = await PostgresServer.start();
  t.teardown(() => server.close());
  const postgres: StoreUnderTest = {
    place: () => server.database(),
    open: (url) => openPostgresStore(url),
    plan: async (db, query, parameters) => {
      const explained = CompiledQuery.raw(`explain ${query}`, [...parameters]);
      return JSON.stringify((await db.executeQuery(explained)).rows);
    },
  };
  storeCompliance(t, postgres);
  webhooksCompliance(t, postgres);
  sharedWebhooks(t, server);
  const url = await server.database();
  accessCompliance(t, {
    place: async (t) => {
      // Quicker than a database of its own.
      await server.query(url, "drop schema if exists fedloop_access cascade");
      return { dataDir: temporaryFolder(t), store: { type: "postgres", url } };
    },
    open: openAccess,
    async admitElsewhere(place, invitation, devices) {
      await using store = await openAccess(place);
      return await admit(store, invitation, devices);
    },
    contents: async (_place, { db }) => {
      const { rows } = await sql`
        select row::text from fedloop_access.access_tokens as row
        union all select row::text from fedloop_access.invitations as row`.execute(db);
      return Buffer.from(JSON.stringify(rows));
    },
  });

  t.test("several stores may be open at once, and migrate one after the other", async (t) => {
    const url = await server.database();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgresStore(url)));
    await stores[0]?.db.insertInto("meta").values({ key: "a", value: "1" }).execute();
    t.same(await stores[2]?.db.selectFrom("meta").selectAll().execute(), [{ key: "a", value: "1" }]);
    await Promise.all(stores.map((store) => store.close()));
  });

  t.test("an address where nobody is, or no such database, is told without the password", async (t) => {
    const secret = "s3cret-of-the-test";
    const urls = [`postgres://fedloop:${secret}@127.0.0.1:1/none`, server.url("none").replace("@", `:${secret}@`)];
    for (const url of urls) {
      const failure = await openPostgresStore(url).then(
        () => undefined,
        (cause: unknown) => cause,
      );
      t.match(failure, { code: "STORE_UNREADABLE", message: /127\.0\.0\.1/ });
      t.notMatch(JSON.stringify([String(failure), failure]), secret);
    }
  });

  t.test("after the server's crash the same store goes on", async (t) => {
    const store = await openPostgresStore(await server.database());
    t.teardown(() => store.close());
    await store.db.insertInto("meta").values({ key: "before", value: "" }).execute();
    await server.kill();
    await t.rejects(store.db.selectFrom("meta").selectAll().execute());
    await server.resume();
    t.same(await store.db.selectFrom("meta").select("key").execute(), [{ key: "before" }]);
  });
});
