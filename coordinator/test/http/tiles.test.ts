import { noteSigner, openCheckpoint, TiledTree, tiledEntries } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import t, { type Test } from "tap";
import { HttpServer } from "../../src/http/http-server.js";
import { tileRoutes } from "../../src/http/tiles.js";
import type { Ledger } from "../../src/ledger/ledger.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { logKey, ORIGIN, openLedger, policyBody } from "../ledger/fixture.js";
import { Federation } from "../server/federation.js";

const { vkey } = noteSigner(ORIGIN, logKey);

/** A log of a policy and heartbeats, and its tiles over HTTP. */
async function serveLog(t: Test, size: number): Promise<{ readonly ledger: Ledger; readonly base: string }> {
  const store = await openSqliteStore(":memory:");
  const ledger = await openLedger(store);
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  await grow(ledger, size);
  const routes = [tileRoutes({ checkpoint: () => ledger.checkpoint().text, tile: (name) => ledger.tile(name) })];
  const server = await HttpServer.open({ host: "127.0.0.1", port: 0, tls: null, routes, onFault: () => undefined });
  t.teardown(async () => {
    await server.close();
    await ledger.close();
    await store.close();
  });
  return { ledger, base: `http://127.0.0.1:${server.port}` };
}

async function grow(ledger: Ledger, size: number): Promise<void> {
  await ledger.commit(async (tx) => {
    for (let at = ledger.size; at < size; at++) await tx.append("heartbeat", {});
  });
}

async function bytesAt(base: string, path: string): Promise<Uint8Array> {
  const response = await fetch(`${base}/${path}`);
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

t.test("a reader follows the log from tiles alone: entries, root and proofs, at any size on the way", async (t) => {
  const { ledger, base } = await serveLog(t, 255);
  for (const size of [255, 256, 257, 600]) {
    await grow(ledger, size);
    const note = await (await fetch(`${base}/checkpoint`)).text();
    const checkpoint = await openCheckpoint(note, { vkey }, nodeVerifier());
    t.equal(checkpoint.size, size);
    const read: Uint8Array[] = [];
    for await (const entry of tiledEntries((path) => bytesAt(base, path), checkpoint)) read.push(entry);
    t.equal(read.length, size, "the entries have the root of the checkpoint");
    const tree = new TiledTree((path) => bytesAt(base, path), size);
    t.same(
      await tree.inclusionProof(17),
      (await ledger.receipt(17)).path.map((hash) => new Uint8Array(hash)),
    );
    t.same(await tree.consistencyProof(100), ledger.consistency(100, size));
  }
});

t.test(
  "tiles may be kept for ever, partial ones for a day, the checkpoint not at all; web pages may read all",
  async (t) => {
    const { base } = await serveLog(t, 300);
    const expected = {
      checkpoint: ["text/plain; charset=utf-8", "no-cache"],
      "tile/0/000": ["application/octet-stream", "public, max-age=31536000, immutable"],
      "tile/entries/000": ["application/octet-stream", "public, max-age=31536000, immutable"],
      "tile/0/001.p/44": ["application/octet-stream", "public, max-age=86400, immutable"],
      "tile/entries/001.p/40": ["application/octet-stream", "public, max-age=86400, immutable"],
      "tile/1/000.p/1": ["application/octet-stream", "public, max-age=86400, immutable"],
    };
    for (const [path, [type, cache]] of Object.entries(expected)) {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers } = await fetch(`${base}/${path}`, { method });
        t.equal(status, 200, `${method} ${path}`);
        t.equal(headers.get("content-type"), type);
        t.equal(headers.get("cache-control"), cache);
        t.equal(headers.get("access-control-allow-origin"), "*");
        t.equal(headers.get("cross-origin-resource-policy"), "cross-origin");
      }
    }
  },
);

t.test("what the log does not have, or another spelling of what it has, is not found and not kept", async (t) => {
  const { base } = await serveLog(t, 300);
  const absent = [
    "tile/0/001",
    "tile/0/001.p/45",
    "tile/1/000",
    "tile/2/000.p/1",
    "tile/entries/002.p/1",
    "tile/0/x999/x999/x999/x999/x999/999",
    "tile/00/000",
    "tile/0/0",
    "tile/0/000.p/256",
    "tile/0/000.p/0",
    "tile/0/000/",
    "tile/0/000%2ep/1",
    "tile/-1/000",
    "tile/../checkpoint%00",
    "tile/0/..%2f..%2fkeys",
    "tiles",
    "",
  ];
  for (const path of absent) {
    const response = await fetch(`${base}/${path}`);
    t.equal(response.status, path === "tile/0/000%2ep/1" ? 200 : 404, path);
    if (response.status === 404) t.equal(response.headers.get("cache-control"), "no-store");
  }
  t.equal((await fetch(`${base}/checkpoint`, { method: "POST", body: "x" })).status, 404);
});

t.test("a coordinator serves its log over HTTP where it is told to", async (t) => {
  const federation = await Federation.open(t, { http: { host: "127.0.0.1", port: 0, tls: null, corsOrigins: [] } });
  const { httpPort, ledger } = federation.coordinator;
  const response = await fetch(`http://127.0.0.1:${httpPort}/checkpoint`);
  t.equal(await response.text(), ledger.checkpoint().text);
  const without = await Federation.open(t);
  t.equal(without.coordinator.httpPort, null);
});
