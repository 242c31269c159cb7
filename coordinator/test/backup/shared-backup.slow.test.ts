// Backup and restore where coordinators share PostgreSQL and NATS. Who was erased since stays erased, by whatever tool the
// database comes back.
import { cpSync, createReadStream } from "node:fs";
import { join } from "node:path";
import { verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { sql } from "kysely";
import t, { type Test } from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import type { StoreLocation } from "../../src/store/location.js";
import { openPostgresReader } from "../../src/store/postgres.js";
import { Pair } from "../leadership/pair.js";
import { NatsServer, withoutNats } from "../messaging/nats-server.js";
import type { Federation } from "../server/federation.js";
import { PURPOSE } from "../server/plans.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";

t.setTimeout(300_000);

/** What an auditor finds. */
async function findings(pair: Pair, { coordinator: { verifierKey } }: Federation, database: StoreLocation) {
  const path = join(pair.folder, "bundle.jsonl");
  await exportBundle({ database, verifierKey, path });
  return (await verifyBundle(createReadStream(path), { verifier: nodeVerifier(), trust: { vkey: verifierKey } }))
    .findings;
}

/** The tables outside of the log, the vault included, that hold a text or bytes. */
async function tablesWith(url: string, subject: string, deviceId: Uint8Array): Promise<string[]> {
  await using store = await openPostgresReader(url);
  const { rows } = await sql<{ name: string }>`
    select quote_ident(table_schema) || '.' || quote_ident(table_name) as name from information_schema.tables
    where table_schema in ('public', 'fedloop_vault') and table_name not in ('entries')`.execute(store.db);
  const hex = Buffer.from(deviceId).toString("hex");
  const base64url = Buffer.from(deviceId).toString("base64url");
  const found: string[] = [];
  for (const { name } of rows) {
    const held = await sql<{ row: string }>`select it::text as row from ${sql.raw(name)} as it`.execute(store.db);
    const text = held.rows.map(({ row }) => row).join("\n");
    if ([subject, hex, base64url].some((needle) => text.includes(needle))) found.push(name);
  }
  return found.sort();
}

async function deviceOf({ coordinator }: Federation, subject: string): Promise<Uint8Array> {
  const { device_id } = await coordinator.store.db
    .selectFrom("devices")
    .select("device_id")
    .where("subject", "=", subject)
    .executeTakeFirstOrThrow();
  return device_id;
}

t.test("where coordinators share PostgreSQL and NATS", { skip: withoutPostgres() || withoutNats() }, async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.close());
  const [nats, otherNats] = [await NatsServer.start(), await NatsServer.start()];
  t.teardown(() => Promise.all([nats.close(), otherNats.close()]));

  const { pair, one, two } = await Pair.open(t, postgres, nats, { plan: { rounds: 1 } });
  const ended = Promise.race([one.run(), two.run()]);
  const people = await Promise.all([1, 2, 4].map(() => one.join()));
  const parts = people.map((person) => one.takePart(person));
  await ended;
  await Promise.all(parts);
  const [leaving, staying] = people;
  if (leaving === undefined || staying === undefined) throw new Error("expected people");
  const { subject } = leaving;
  const deviceId = await deviceOf(one, subject);

  // While both run: fedloop's own backup, the vault's, and the database as PostgreSQL's tool has it.
  const file = join(pair.folder, "backup.sqlite");
  await pair.isWhole(t, one, async () => {
    const made = await pair.command("backup", "--out", file);
    t.equal(made.exitCode, 0, made.err);
    return made.body.entries;
  });
  const vault = postgres.dump(pair.url, "--schema=fedloop_vault");
  const database = postgres.dump(pair.url, "--exclude-schema=fedloop_vault", "--exclude-schema=fedloop_access");
  t.match(await pair.command("restore", file), { exitCode: 3, err: /"CONFLICT"/ }, "data that are there stay");
  t.ok((await tablesWith(pair.url, subject, deviceId)).length >= 3, "what is looked for would be found");

  await leaving.erase();
  t.strictSame(await tablesWith(pair.url, subject, deviceId), []);
  for (const federation of [one, two]) await federation.coordinator.ledger.refresh();
  const leading = one.population.state === undefined ? two : one;
  const model = await leading.model();
  const { verifierKey } = one.coordinator;
  await Promise.all([one.close(), two.close()]);

  /** A coordinator on a machine of before, on a restored database. */
  const start = (url: string, machine: string, servers: string) =>
    pair.add({ dataDir: join(pair.folder, machine), store: { type: "postgres", url }, nats: { servers: [servers] } });

  const isErased = async (t: Test, url: string, federation: Federation): Promise<void> => {
    t.strictSame(await tablesWith(url, subject, deviceId), [], "outside of the log nothing of it is left, nor its key");
    t.equal(federation.coordinator.ledger.view.permits(subject, PURPOSE), false);
    t.equal(federation.coordinator.ledger.view.permits(staying.subject, PURPOSE), true);
    t.strictSame(
      (await federation.entries("erasure")).map(({ body }) => body.subject),
      [subject],
    );
    t.strictSame(await findings(pair, federation, { type: "postgres", url }), []);
    t.strictSame(federation.faults, []);
  };

  t.test("a backup of both is put back whole in new ones, and erases again before anything is in place", async (t) => {
    const url = await postgres.database();
    postgres.load(url, vault);
    const restored = await pair.commandAt({ machine: "c1", url, nats: otherNats.url }, "restore", file);
    t.match(restored, { exitCode: 0, body: { erasedAgain: 1 } }, restored.err);
    t.strictSame(await tablesWith(url, subject, deviceId), [], "before any coordinator has started");
    const federation = await start(url, "c1", otherNats.url);
    t.equal(federation.coordinator.verifierKey, verifierKey);
    await federation.run();
    t.strictSame(await federation.model(), model, "from the other object store");
    await isErased(t, url, federation);
  });

  t.test("where the list of the erased is not at hand, each coordinator that has one erases again", async (t) => {
    const url = await postgres.database();
    postgres.load(url, vault);
    const restored = await pair.commandAt({ machine: "new", url, nats: otherNats.url }, "restore", file);
    t.match(restored, { exitCode: 0, body: { erasedAgain: 0 } }, restored.err);
    // Both at once, and the log says it once.
    const both = await Promise.all(["c1", "c2"].map((machine) => start(url, machine, otherNats.url)));
    for (const federation of both) {
      await federation.coordinator.ledger.refresh();
      await isErased(t, url, federation);
    }
  });

  t.test("a database that comes back by pg_dump, with an old vault or none, brings nobody back", async (t) => {
    for (const dumped of [vault, undefined]) {
      const url = await postgres.database();
      postgres.load(url, database);
      if (dumped !== undefined) postgres.load(url, dumped);
      t.ok((await tablesWith(url, subject, deviceId)).length > 0, "the dump is from before the erasure");
      const federation = await start(url, "c2", nats.url);
      await isErased(t, url, federation);
      await federation.close();
    }
  });

  t.test("the same backup is put into a data folder, for one process alone", async (t) => {
    cpSync(join(pair.folder, "c1", "vault"), join(pair.folder, "alone", "vault"), { recursive: true });
    const alone = { machine: "alone", keys: "alone/keys", url: null, nats: null };
    const restored = await pair.commandAt(alone, "restore", file);
    t.match(restored, { exitCode: 0, body: { erasedAgain: 1 } }, restored.err);
    const path = join(pair.folder, "alone", "fedloop.sqlite");
    t.strictSame(await findings(pair, one, { type: "sqlite", path }), []);
    t.match(await pair.commandAt(alone, "models", "list"), { exitCode: 0, body: { models: [{ round: 1 }] } });
  });

  t.test("one process becomes several: its backup and its vault are put into a shared database", async (t) => {
    const folder = join(pair.folder, "alone");
    const single = await pair.add({
      dataDir: folder,
      vaultDir: join(folder, "vault"),
      keysDir: join(folder, "keys"),
      store: { type: "sqlite", path: join(folder, "fedloop.sqlite") },
      nats: null,
    });
    const { subject } = await single.join();
    const deviceId = Buffer.from(await deviceOf(single, subject)).toString("base64url");
    const key = await single.coordinator.vault.subjects.find(deviceId);
    const alone = { machine: "alone", keys: "alone/keys", url: null, nats: null };
    const backup = join(folder, "backup.sqlite");
    t.equal((await pair.commandAt(alone, "backup", "--out", backup)).exitCode, 0);
    await single.close();
    const url = await postgres.database();
    const restored = await pair.commandAt({ ...alone, url, nats: otherNats.url }, "restore", backup);
    t.match(restored, { exitCode: 0, body: { erasedAgain: 0 } }, restored.err);
    const shared = await pair.add({
      dataDir: folder,
      vaultDir: join(folder, "vault"),
      keysDir: join(folder, "keys"),
      store: { type: "postgres", url },
      nats: { servers: [otherNats.url] },
    });
    t.strictSame(await shared.coordinator.vault.subjects.find(deviceId), key, "under the same key");
    t.equal(shared.coordinator.ledger.view.permits(subject, PURPOSE), true);
    t.strictSame(await findings(pair, shared, { type: "postgres", url }), []);
  });
});
