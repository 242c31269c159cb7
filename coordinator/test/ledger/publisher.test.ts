import { cpSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  collectCosignatures,
  httpWitness,
  noteSigner,
  openCheckpoint,
  tiledEntries,
  verifyBundle,
  verifyForkEvidence,
  type WitnessContact,
} from "@fedloop/consent";
import { durableFiles, nodeVerifier, TileFolder } from "@fedloop/consent/node";
import t, { type Test } from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import { Publisher, type WitnessPolicy } from "../../src/ledger/publisher.js";
import { WitnessServer } from "../../src/server/witness.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { Federation } from "../server/federation.js";
import { temporaryFolder } from "../temporary-folder.js";
import { logKey, ORIGIN, openLedger, policyBody } from "./fixture.js";

const verifier = nodeVerifier();
const { vkey } = noteSigner(ORIGIN, logKey);

interface Witnessed extends WitnessPolicy {
  readonly servers: readonly WitnessServer[];
  readonly folders: readonly string[];
  readonly forks: string[];
}

/** Witnesses of the test log, each a server of its own. */
async function witnesses(t: Test, count: number, quorum: number, log = vkey): Promise<Witnessed> {
  const servers: WitnessServer[] = [];
  const folders: string[] = [];
  const forks: string[] = [];
  for (let number = 0; number < count; number++) {
    const folder = temporaryFolder(t);
    const server = await WitnessServer.open({
      name: `witness-${number}.example`,
      dataDir: folder,
      listen: { host: "127.0.0.1", port: 0 },
      logs: [log],
      tls: null,
      clock: { now: () => Date.now() },
      onFault: (where, cause) => t.fail(`${where}: ${String(cause)}`),
      onFork: (_log, path) => forks.push(path),
    });
    t.teardown(() => server.close());
    servers.push(server);
    folders.push(folder);
  }
  const contacts = servers.map((server) => httpWitness(server.vkey, `http://127.0.0.1:${server.port}`, fetch));
  return { witnesses: contacts, quorum, servers, folders, forks };
}

async function openLog(path: string) {
  const store = await openSqliteStore(path);
  const ledger = await openLedger(store);
  if (ledger.size === 0) await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  return { store, ledger };
}

function publisherOver(
  log: Awaited<ReturnType<typeof openLog>>,
  options: { tiles?: string; witnesses?: WitnessPolicy; faults?: unknown[] },
): Promise<Publisher> {
  const { faults = [], ...rest } = options;
  return Publisher.open({
    ...log,
    vkey,
    verifier,
    ...rest,
    intervalMs: 0,
    onFault: (_where, cause) => faults.push(cause),
  });
}

async function grow({ ledger }: Awaited<ReturnType<typeof openLog>>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await ledger.commit((tx) => tx.append("heartbeat", {}));
}

t.test("a checkpoint is published once k of n witnesses have cosigned it, whoever of the others is away", async (t) => {
  const log = await openLog(join(temporaryFolder(t), "log.db"));
  const { witnesses: contacts, quorum, servers } = await witnesses(t, 3, 2);
  const faults: unknown[] = [];
  const publisher = await publisherOver(log, { witnesses: { witnesses: contacts, quorum }, faults });
  const trust = { vkey, witnesses: contacts.map((contact) => contact.vkey), quorum: 2 };
  for (const away of [undefined, 0, 1]) {
    if (away !== undefined) await servers[away]?.close();
    await grow(log, 3);
    await publisher.settled();
    const { size } = await openCheckpoint(publisher.checkpoint(), away === 1 ? { vkey } : trust, verifier);
    t.equal(size, away === 1 ? log.ledger.size - 3 : log.ledger.size, "with two away nothing more is published");
  }
  t.match(String(faults.at(-1)), /2 of 3 witnesses must sign; 1 did/);
  t.equal(await publisher.tile({ level: 0, index: 0n, width: log.ledger.size }), undefined, "nor its tiles");
  t.ok(await publisher.tile({ level: 0, index: 0n, width: log.ledger.size - 3 }));
  await publisher.close();
  await log.ledger.close();
  await log.store.close();
});

t.test("what was cosigned survives a restart, and the next publication goes on from it", async (t) => {
  const folder = temporaryFolder(t);
  const policy = await witnesses(t, 2, 2);
  let log = await openLog(join(folder, "log.db"));
  let publisher = await publisherOver(log, { witnesses: policy });
  await grow(log, 2);
  await publisher.settled();
  const before = publisher.checkpoint();
  await publisher.close();
  await log.store.close();
  log = await openLog(join(folder, "log.db"));
  publisher = await publisherOver(log, { witnesses: policy });
  await publisher.settled();
  t.equal(publisher.checkpoint().split("\n\n")[0], before.split("\n\n")[0]);
  await grow(log, 300);
  await publisher.settled();
  t.equal((await openCheckpoint(publisher.checkpoint(), { vkey }, verifier)).size, 303);
  await publisher.close();
  await log.store.close();
});

t.test("a restored older copy is refused: by what was published, in the folder and by the witnesses", async (t) => {
  for (const [name, seen] of [
    ["tiles", /6 entries are published/],
    ["witnesses", /a witness has cosigned 6 entries/],
  ] as const) {
    const [folder, tiles] = [temporaryFolder(t), temporaryFolder(t)];
    const policy = await witnesses(t, 1, 1);
    const options = name === "tiles" ? { tiles } : { witnesses: policy };
    let log = await openLog(join(folder, "log.db"));
    await grow(log, 2);
    await log.store.scrub();
    cpSync(join(folder, "log.db"), join(folder, "old.db"));
    const publisher = await publisherOver(log, options);
    await grow(log, 3);
    await publisher.settled();
    await publisher.close();
    await log.store.close();
    log = await openLog(join(folder, "old.db"));
    t.equal(log.ledger.size, 3);
    await t.rejects(publisherOver(log, options), { code: "LEDGER_CORRUPT", message: seen }, name);
    await log.store.close();
  }
});

t.test(
  "a log that goes on from an old copy is convicted by its witness, in a file with both signed heads",
  async (t) => {
    const folder = temporaryFolder(t);
    const policy = await witnesses(t, 1, 1);
    const [honest, other] = [await openLog(join(folder, "a.db")), await openLog(join(folder, "b.db"))];
    await grow(honest, 4);
    await grow(other, 9);
    const settings = (ledger: typeof honest.ledger) => ({
      ...policy,
      verifier,
      consistencyProof: (oldSize: number, newSize: number) => ledger.consistency(oldSize, newSize),
    });
    await collectCosignatures(honest.ledger.checkpoint().text, settings(honest.ledger));
    await t.rejects(collectCosignatures(other.ledger.checkpoint().text, settings(other.ledger)), { code: "NO_QUORUM" });
    const [path, ...more] = await forksOf(policy);
    t.same(more, []);
    const fork = await verifyForkEvidence(readFileSync(path ?? "", "utf8"), verifier);
    t.same(fork, { origin: ORIGIN, oldSize: 5, newSize: 10 });
    for (const { ledger, store } of [honest, other]) {
      await ledger.close();
      await store.close();
    }
  },
);

/** The evidence is written while the answer is under way. */
async function forksOf({ forks }: Witnessed): Promise<string[]> {
  while (forks.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return forks;
}

t.test(
  "the folder holds what readers verify, as it is over HTTP; a crash between two files is made good",
  async (t) => {
    const [folder, tiles] = [temporaryFolder(t), temporaryFolder(t)];
    const log = await openLog(join(folder, "log.db"));
    let publisher = await publisherOver(log, { tiles });
    await grow(log, 299);
    await publisher.settled();
    const reader = new TileFolder(tiles);
    const check = async (): Promise<number> => {
      const checkpoint = await openCheckpoint((await reader.checkpoint()) ?? "", { vkey }, verifier);
      let count = 0;
      for await (const bytes of tiledEntries((path) => reader.read(path), checkpoint))
        count += bytes.length > 0 ? 1 : 0;
      return count;
    };
    await publisher.close();
    t.equal(await check(), 300);
    t.same(
      new Uint8Array(readFileSync(join(tiles, "tile/0/000"))),
      await publisher.tile({ level: 0, index: 0n, width: 256 }),
    );
    t.ok(statSync(join(tiles, "tile/entries/001.p/44")).isFile());
    // As after a crash: the tiles of the next size are there, its checkpoint is not.
    await grow(log, 20);
    const note = log.ledger.checkpoint().text;
    const failing = new TileFolder(tiles, {
      ...(await import("@fedloop/consent/node")).durableFiles,
      rename: async (from, to) => {
        if (to.endsWith("checkpoint")) throw new Error("crash");
        return durableFiles.rename(from, to);
      },
    });
    await t.rejects(
      failing.publish(async (name) => (await log.ledger.tile(name)) ?? new Uint8Array(), note),
      /crash/,
    );
    t.equal(await check(), 300);
    publisher = await publisherOver(log, { tiles });
    await publisher.settled();
    t.equal(await check(), 320);
    await publisher.close();
    await log.store.close();
  },
);

t.test("a witness that does not answer holds up neither the opening for long nor the closing", async (t) => {
  const log = await openLog(":memory:");
  const { servers } = await witnesses(t, 1, 1);
  const silent: WitnessContact = {
    vkey: servers[0]?.vkey ?? "",
    submit: (_body, signal) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true })),
  };
  const faults: unknown[] = [];
  const open = (witnessTimeoutMs: number): Promise<Publisher> =>
    Publisher.open({
      ...log,
      vkey,
      verifier,
      witnesses: { witnesses: [silent], quorum: 1 },
      witnessTimeoutMs,
      onFault: (_where, cause) => faults.push(cause),
    });
  const publisher = await open(20);
  await publisher.settled();
  t.match(String(faults[0]), /1 of 1 witnesses must sign; 0 did/);
  await publisher.close();
  await (await open(300)).close();
  t.equal(faults.length, 1, "what is interrupted by the closing is no fault");
  await log.ledger.close();
  await log.store.close();
});

t.test(
  "what is derived from the log is made anew where it was deleted: tiles, published checkpoint, tree and view",
  async (t) => {
    const [folder, tiles] = [temporaryFolder(t), temporaryFolder(t)];
    const policy = await witnesses(t, 1, 1);
    let log = await openLog(join(folder, "log.db"));
    await grow(log, 299);
    let publisher = await publisherOver(log, { tiles, witnesses: policy });
    await publisher.settled();
    const before = readFileSync(join(tiles, "tile/entries/000"));
    await publisher.close();
    await log.store.db.deleteFrom("published").execute();
    await log.store.close();
    rmSync(tiles, { recursive: true });
    log = await openLog(join(folder, "log.db"));
    t.equal(log.ledger.size, 300);
    publisher = await publisherOver(log, { tiles, witnesses: policy });
    await publisher.settled();
    t.equal((await openCheckpoint(publisher.checkpoint(), { vkey }, verifier)).size, 300);
    t.same(readFileSync(join(tiles, "tile/entries/000")), before);
    await publisher.close();
    await log.store.close();
  },
);

t.test("a bundle of a witnessed log carries the cosignatures, and an auditor can demand them", async (t) => {
  const folder = temporaryFolder(t);
  const first = await Federation.open(t, { dataDir: folder });
  const { verifierKey } = first.coordinator;
  await first.close();
  const policy = await witnesses(t, 2, 2, verifierKey);
  const federation = await Federation.open(t, { dataDir: folder, witnesses: policy });
  await federation.join();
  await federation.coordinator.publisher.settled();
  await federation.close();
  const keys = policy.witnesses.map((witness: WitnessContact) => witness.vkey);
  const path = join(folder, "witnessed.jsonl");
  const size = await exportBundle({ database: join(folder, "fedloop.sqlite"), verifierKey, witnesses: keys, path });
  t.equal(size, 2);
  const trust = { vkey: verifierKey, witnesses: keys, quorum: 2 };
  const report = await verifyBundle([new Uint8Array(readFileSync(path))], { verifier, trust });
  t.same(report.findings, []);
  const stricter = { ...trust, witnesses: [keys[0] ?? ""], quorum: 1 };
  t.equal((await verifyBundle([new Uint8Array(readFileSync(path))], { verifier, trust: stricter })).ok, true);
});

t.test("a witness folder has one witness; names, keys and addresses that are none are refused", async (t) => {
  const { folders } = await witnesses(t, 1, 1);
  const options = {
    name: "w.example",
    dataDir: temporaryFolder(t),
    listen: { host: "127.0.0.1", port: 0 },
    logs: [vkey],
    tls: null,
    clock: { now: () => 0 },
    onFault: () => undefined,
    onFork: () => undefined,
  };
  await t.rejects(WitnessServer.open({ ...options, dataDir: folders[0] ?? "" }), { code: "STORE_LOCKED" });
  await t.rejects(WitnessServer.open({ ...options, name: "two words" }), { code: "BAD_CONFIG" });
  await t.rejects(WitnessServer.open({ ...options, logs: ["x"] }), { code: "BAD_CONFIG" });
  await t.rejects(WitnessServer.open({ ...options, listen: { host: "0.0.0.0", port: 0 } }), { code: "BAD_CONFIG" });
});
