import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import t, { type Test } from "tap";
import { openPostgresStore } from "../../src/store/postgres.js";
import { PostgresVaultStore } from "../../src/vault/postgres-vault-store.js";
import { SqliteVaultStore } from "../../src/vault/sqlite-vault-store.js";
import { Vault, vaultPlaces, type WrapStore } from "../../src/vault/vault.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { temporaryFolder } from "../temporary-folder.js";
import { filesHolding } from "./searching.js";

const SUBJECTS = ["a", "b", "c", "d", "e"];

async function filled(t: Test): Promise<{ folder: string; keys: Map<string, Uint8Array> }> {
  const folder = temporaryFolder(t);
  const vault = await Vault.open(vaultPlaces(folder));
  const keys = new Map<string, Uint8Array>();
  for (const subject of SUBJECTS) keys.set(subject, await vault.subjects.obtain(subject));
  vault.close();
  return { folder, keys };
}

async function holds(t: Test, folder: string, keys: ReadonlyMap<string, Uint8Array>, name: string): Promise<void> {
  const vault = await Vault.open(vaultPlaces(folder));
  for (const [subject, key] of keys) t.same(await vault.subjects.find(subject), key, `${name}: ${subject}`);
  vault.close();
}

t.test("wraps are where they were put, for their owner's eyes, and hold no key in the clear", async (t) => {
  const { folder, keys } = await filled(t);
  await holds(t, folder, keys, "opened again");
  for (const path of ["vault/vault.sqlite", "keys/vault/1.key"]) {
    t.equal(statSync(join(folder, path)).mode & 0o077, 0, path);
  }
  for (const key of keys.values()) t.same(filesHolding(folder, key), []);
});

async function takesWraps(t: Test, store: WrapStore): Promise<void> {
  t.equal(await store.currentKek(), undefined);
  await store.turnTo("1");
  await store.turnTo("2");
  const wrap = { kek: "2", wrapped: "AAAA" };
  t.equal(await store.put("a", { kek: "1", wrapped: "AAAA" }, undefined), false);
  t.equal(await store.put("a", wrap, undefined), true);
  t.equal(await store.put("a", { kek: "2", wrapped: "BBBB" }, undefined), false);
  t.equal(await store.put("a", { kek: "2", wrapped: "BBBB" }, wrap), true);
  t.same([...(await store.counts())], [["2", 1]]);
  await store.delete("a");
  t.equal(await store.put("a", wrap, { kek: "2", wrapped: "BBBB" }), false);
  t.equal(await store.get("a"), undefined);
  for (const subject of ["d", "b", "c"]) await store.put(subject, wrap, undefined);
  const listed: string[] = [];
  for await (const subject of store.list()) listed.push(subject);
  t.same(listed.sort(), ["b", "c", "d"]);
  const atOnce = await Promise.all(["e", "e", "f"].map((subject) => store.put(subject, wrap, undefined)));
  t.same(atOnce, [true, false, true]);
  t.equal(await store.scrub(), true);
}

t.test("a wrap is taken only under the key in force and in the place of the one that is named", async (t) => {
  const store = SqliteVaultStore.open(":memory:");
  await takesWraps(t, store);
  store.close();
});

t.test("likewise where coordinators share the vault", { skip: withoutPostgres() }, async (t) => {
  const server = await PostgresServer.start();
  t.teardown(() => server.close());
  const store = await openPostgresStore(await server.database());
  t.teardown(() => store.close());
  await takesWraps(t, new PostgresVaultStore(store.db));
  const keyDir = join(temporaryFolder(t), "keys");
  await store.db.executeQuery(sql`delete from fedloop_vault.wraps`.compile(store.db));
  await store.db.executeQuery(sql`delete from fedloop_vault.current_kek`.compile(store.db));
  const [serving, rotating] = await Promise.all(
    [1, 2].map(() => Vault.shared(new PostgresVaultStore(store.db), keyDir)),
  );
  const key = await serving?.subjects.obtain("a");
  t.match(await rotating?.rotate(), { current: "2", rewrapped: 1 });
  t.same(await serving?.subjects.find("a"), key);
});

t.test("a rotation renews every wrap and destroys the old key", async (t) => {
  const { folder, keys } = await filled(t);
  const vault = await Vault.open(vaultPlaces(folder));
  t.same(await vault.rotate(), { current: "2", destroyed: ["1"], rewrapped: 5, alreadyCurrent: 0, resumed: false });
  t.same([...(await vault.counts())], [["2", 5]]);
  t.equal(await vault.isRotating(), false);
  vault.close();
  t.same(readdirSync(join(folder, "keys", "vault")), ["2.key"]);
  await holds(t, folder, keys, "after the rotation");
});

t.test("a rotation that ends after any step leaves every key readable; the next call completes it", async (t) => {
  for (const last of ["key made", "turned", "wraps renewed", "old key destroyed"] as const) {
    const { folder, keys } = await filled(t);
    const first = await Vault.open(vaultPlaces(folder));
    const onStep = (step: string): void => {
      if (step === last) throw new Error("interrupted");
    };
    await t.rejects(first.rotate({ onStep }), /interrupted/, last);
    first.close();
    await holds(t, folder, keys, `after "${last}"`);
    const second = await Vault.open(vaultPlaces(folder));
    t.equal(await second.isRotating(), last !== "old key destroyed");
    const { current, resumed } = await second.rotate();
    t.equal(resumed, last !== "old key destroyed");
    t.equal(current, last === "old key destroyed" ? "3" : "2", last);
    second.close();
    t.same(readdirSync(join(folder, "keys", "vault")), [`${current}.key`]);
    await holds(t, folder, keys, `completed after "${last}"`);
  }
});

t.test("a rotation interrupted between any two wraps is completed", async (t) => {
  for (let done = 0; done < SUBJECTS.length; done++) {
    const { folder, keys } = await filled(t);
    const first = await Vault.open(vaultPlaces(folder));
    const controller = new AbortController();
    const { put } = SqliteVaultStore.prototype;
    let puts = 0;
    t.intercept(SqliteVaultStore.prototype, "put", {
      configurable: true,
      value(this: SqliteVaultStore, ...words: Parameters<typeof put>) {
        if (++puts === done) controller.abort(new Error("interrupted"));
        return put.apply(this, words);
      },
    });
    if (done === 0) controller.abort(new Error("interrupted"));
    await t.rejects(first.rotate({ signal: controller.signal }), /interrupted/);
    first.close();
    await holds(t, folder, keys, `after ${done} wraps`);
    const second = await Vault.open(vaultPlaces(folder));
    t.match(await second.rotate(), { current: "2", destroyed: ["1"], resumed: true });
    second.close();
    await holds(t, folder, keys, `completed after ${done} wraps`);
  }
});

t.test("subjects come and go while another process rotates", async (t) => {
  const { folder, keys } = await filled(t);
  const [serving, rotating] = [await Vault.open(vaultPlaces(folder)), await Vault.open(vaultPlaces(folder))];
  const onStep = (step: string): void => {
    if (step === "turned") void Promise.all([serving.subjects.destroy("a"), serving.subjects.obtain("new")]);
  };
  await rotating.rotate({ onStep });
  t.equal(await serving.subjects.find("a"), undefined, "what was destroyed stays destroyed");
  t.ok(await serving.subjects.find("new"));
  t.same(await serving.subjects.find("b"), keys.get("b"));
  t.equal(await serving.currentKek(), "2");
  serving.close();
  rotating.close();
});

t.test("a lost key-encryption key is said before anyone is served; without the wraps a new vault begins", async (t) => {
  const { folder } = await filled(t);
  rmSync(join(folder, "keys", "vault", "1.key"));
  await t.rejects(Vault.open(vaultPlaces(folder)), { code: "VAULT_KEY_LOST", message: /1\.key/ });
  rmSync(join(folder, "vault"), { recursive: true });
  const vault = await Vault.open(vaultPlaces(folder));
  t.equal(await vault.subjects.find("a"), undefined);
  vault.close();
});

t.test("what was destroyed is in no file of the vault", async (t) => {
  const { folder } = await filled(t);
  const vault = await Vault.open(vaultPlaces(folder));
  await vault.subjects.obtain("subject-to-destroy");
  t.not(filesHolding(folder, Buffer.from("subject-to-destroy")).length, 0);
  await vault.subjects.destroy("subject-to-destroy");
  t.same(filesHolding(folder, Buffer.from("subject-to-destroy")), []);
  vault.close();
});
