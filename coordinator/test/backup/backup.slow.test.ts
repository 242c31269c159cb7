import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import t, { type Test } from "tap";
import { typedJson } from "../cli/typed.js";
import { Federation, type FederationOptions, ORIGIN } from "../server/federation.js";
import { PURPOSE } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

/** A coordinator with its data and its vault in folders of their own, as the configuration has them. */
async function open(t: Test, folder: string, options: FederationOptions = {}): Promise<Federation> {
  return Federation.open(t, { dataDir: join(folder, "data"), vaultDir: join(folder, "vault"), ...options });
}

function command(folder: string, ...words: string[]) {
  const config = join(folder, "fedloop.yaml");
  const tiles = existsSync(join(folder, "tiles")) ? "tiles: tiles\n" : "";
  writeFileSync(config, `origin: ${ORIGIN}\nplans: [plan.yaml]\ndataDir: data\nvaultDir: vault\n${tiles}`);
  return typedJson(["--config", config, ...words]);
}

/** The machine's data folder is lost; the vault and its keys, which are backed up apart, are not. */
function loseData(folder: string): void {
  renameSync(join(folder, "data"), join(folder, "lost"));
}

async function trained(federation: Federation, people: number): Promise<void> {
  const participants = await Promise.all(Array.from({ length: people }, () => federation.join()));
  const parts = participants.map((participant) => federation.takePart(participant));
  await federation.run();
  await Promise.all(parts);
}

t.test("a backup of a coordinator that runs is put back whole: log, devices, model, keys", async (t) => {
  const folder = temporaryFolder(t);
  const first = await open(t, folder);
  await trained(first, 3);
  const file = join(folder, "backup.sqlite");
  const made = await command(folder, "backup", "--out", file);
  t.match(made, { exitCode: 0, body: { entries: first.coordinator.ledger.size, origin: ORIGIN } }, made.err);
  t.equal(statSync(file).mode & 0o777, 0o600, "it holds keys");
  t.match(await command(folder, "backup", "--out", file), { exitCode: 3, err: /expected no file/ });
  const { verifierKey } = first.coordinator;
  const model = await first.model();
  const checkpoint = first.coordinator.ledger.checkpoint().text;
  t.match(await command(folder, "restore", file), { exitCode: 3, err: /"CONFLICT"/ }, "data that are there stay");
  await first.close();

  loseData(folder);
  const refused = await command(folder, "restore", file);
  t.match(refused, { exitCode: 4, err: /"VAULT_KEY_LOST"/ }, "the vault's key comes from its own backup");
  t.notOk(existsSync(join(folder, "data", "fedloop.sqlite")), "and nothing is in place before that");
  mkdirSync(join(folder, "data", "keys"), { recursive: true });
  renameSync(join(folder, "lost", "keys", "vault"), join(folder, "data", "keys", "vault"));
  const restored = await command(folder, "restore", file);
  t.match(restored, { exitCode: 0, body: { erasedAgain: 0, checkedAgainstPublished: false } }, restored.err);
  t.strictSame(readdirSync(join(folder, "data")).sort(), ["artifacts", "fedloop.sqlite", "keys"]);

  const second = await open(t, folder);
  t.equal(second.coordinator.verifierKey, verifierKey);
  t.equal(second.coordinator.ledger.checkpoint().text, checkpoint);
  void second.run();
  await second.coordinator.populations.get("lecturers").run(new AbortController().signal);
  t.strictSame(await second.model(), model);
  t.strictSame((await second.audit()).findings, []);
});

t.test("who was erased after the backup stays erased, and the log says so", async (t) => {
  const folder = temporaryFolder(t);
  const first = await open(t, folder);
  const [leaving, staying] = [await first.join(), await first.join()];
  const { subject } = leaving;
  const file = join(folder, "backup.sqlite");
  t.equal((await command(folder, "backup", "--out", file)).exitCode, 0);
  await leaving.erase();
  await first.close();
  loseData(folder);
  renameSync(join(folder, "lost", "keys"), join(folder, "data-keys"));
  mkdirSync(join(folder, "data", "keys"), { recursive: true });
  renameSync(join(folder, "data-keys", "vault"), join(folder, "data", "keys", "vault"));
  const restored = await command(folder, "restore", file);
  t.match(restored, { exitCode: 0, body: { erasedAgain: 1 } }, restored.err);

  const database = new Sqlite(join(folder, "data", "fedloop.sqlite"), { readonly: true });
  const devices = database.prepare("select subject from devices").all();
  database.close();
  t.strictSame(devices, [{ subject: staying.subject }]);
  const bytes = readFileSync(join(folder, "data", "fedloop.sqlite"));
  t.equal(
    occurrences(bytes, subject),
    occurrencesInEntries(folder, subject),
    "outside of the log nothing of it is left",
  );

  const second = await open(t, folder);
  t.equal(second.coordinator.ledger.view.permits(subject, PURPOSE), false);
  t.equal(second.coordinator.ledger.view.permits(staying.subject, PURPOSE), true);
  t.match(
    (await second.entries("erasure")).map(({ body }) => body.subject),
    [subject],
  );
  t.strictSame((await second.audit()).findings, []);
});

function occurrences(bytes: Uint8Array, text: string): number {
  return Buffer.from(bytes).toString("latin1").split(text).length - 1;
}

/** In entries, their actors and places: what the log keeps for ever. */
function occurrencesInEntries(folder: string, text: string): number {
  const database = new Sqlite(join(folder, "data", "fedloop.sqlite"), { readonly: true });
  const rows = database.prepare<[], { actor: string; bytes: Buffer }>("select actor, bytes from entries").all();
  const indexed = database
    .prepare<[string], { count: number }>("select count(*) as count from entries where actor = ?")
    .get(text);
  database.close();
  const inRows = rows.reduce((sum, { actor, bytes }) => sum + occurrences(bytes, text) + (actor === text ? 1 : 0), 0);
  // The index of actors' chains holds each once more.
  return inRows + (indexed?.count ?? 0);
}

t.test("an older backup than what was published is refused, and nothing is put in place", async (t) => {
  const folder = temporaryFolder(t);
  const first = await open(t, folder, { tiles: join(folder, "tiles") });
  await first.join();
  const file = join(folder, "backup.sqlite");
  t.equal((await command(folder, "backup", "--out", file)).exitCode, 0);
  await first.join();
  await first.coordinator.publisher.settled();
  const published = join(folder, "published");
  writeFileSync(published, first.coordinator.publisher.checkpoint());
  await first.close();
  loseData(folder);
  const refused = await command(folder, "restore", file);
  t.match(refused, { exitCode: 4, err: /"LEDGER_CORRUPT".*old copy/ });
  t.notOk(existsSync(join(folder, "data", "fedloop.sqlite")));
  rmSync(join(folder, "tiles"), { recursive: true });
  const again = await command(folder, "restore", file, "--published", published);
  t.match(again, { exitCode: 4, err: /"LEDGER_CORRUPT".*old copy/ }, "a checkpoint that somebody kept says it too");
  t.notOk(existsSync(join(folder, "data", "fedloop.sqlite")));
});

t.test("a damaged backup, and one of another log, are refused", async (t) => {
  const folder = temporaryFolder(t);
  const first = await open(t, folder);
  await trained(first, 3);
  const file = join(folder, "backup.sqlite");
  t.equal((await command(folder, "backup", "--out", file)).exitCode, 0);
  await first.close();
  loseData(folder);
  const whole = readFileSync(file);
  const artifacts = new Sqlite(file);
  artifacts.prepare("update backup_artifacts set bytes = zeroblob(length(bytes))").run();
  artifacts.close();
  t.match(await command(folder, "restore", file), { exitCode: 3, err: /"BAD_DATA".*hash/ });
  writeFileSync(file, whole.subarray(0, whole.length / 2));
  t.match(await command(folder, "restore", file), { exitCode: 3, err: /"BAD_DATA"/ });
  writeFileSync(file, "not a database");
  t.match(await command(folder, "restore", file), { exitCode: 3, err: /"BAD_DATA"/ });
  writeFileSync(file, whole);
  const entries = new Sqlite(file);
  entries.prepare("update backup_info set value = 'example.org/other' where key = 'origin'").run();
  entries.close();
  t.match(await command(folder, "restore", file), { exitCode: 4, err: /another|came one of/ });
  t.match(await command(folder, "restore", join(folder, "nothing")), { exitCode: 3, err: /"FILE_UNREADABLE"/ });
});
