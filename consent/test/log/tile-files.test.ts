import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  encodeUtf8,
  leafHash,
  MerkleTree,
  newTiles,
  noteSigner,
  openCheckpoint,
  parseTilePath,
  signCheckpoint,
  TiledTree,
  tiledEntries,
  tileHeaders,
  tileOf,
  verifyConsistency,
  verifyInclusion,
} from "../../src/index.js";
import { type DurableFiles, durableFiles, generateNodeSigner, nodeVerifier, TileFolder } from "../../src/index.node.js";
import { refuses, rejects } from "../refusals.js";

const origin = "log.example/2026";
const signer = noteSigner(origin, generateNodeSigner());
const entry = (index: number): Uint8Array => encodeUtf8(`entry ${index}`);

class GrowingLog {
  readonly tree: MerkleTree = new MerkleTree();
  readonly entry = (index: number): Uint8Array => entry(index);

  grow(size: number): Promise<string> {
    while (this.tree.size < size) this.tree.append(leafHash(entry(this.tree.size)));
    return signCheckpoint({ origin, size, root: this.tree.root() }, signer);
  }
}

t.test("growing in steps writes every tile that readers of each size ask for", async (t) => {
  const log = new GrowingLog();
  const files = new Map<string, Uint8Array>();
  const fetch = async (path: string): Promise<Uint8Array> => {
    const bytes = files.get(path);
    if (bytes === undefined) throw new Error(`${path} was not written`);
    return bytes;
  };
  let old = 0;
  for (const size of [0, 1, 2, 255, 256, 257, 300, 511, 512, 1_000, 65_535, 65_536, 65_537, 66_000]) {
    await log.grow(size);
    for (const { path, bytes } of newTiles(log, old, size)) {
      t.ok(parseTilePath(path));
      const before = files.get(path);
      if (before !== undefined) t.strictSame(bytes, before, `${path} is written again unchanged`);
      files.set(path, bytes);
    }
    old = size;
    const tiled = new TiledTree(fetch, size);
    t.strictSame(await tiled.root(), log.tree.root(size), `root at ${size}`);
    if (size === 0) continue;
    for (const index of new Set([0, Math.floor(size / 2), size - 1])) {
      const path = await tiled.inclusionProof(index);
      const claim = { leafHash: leafHash(entry(index)), index, size, path, root: log.tree.root(size) };
      t.equal(verifyInclusion(claim), true, `inclusion of ${index} in ${size}`);
    }
    for (const oldSize of [1, Math.ceil(size / 3), size]) {
      const path = await tiled.consistencyProof(oldSize);
      const oldRoot = log.tree.root(oldSize);
      t.equal(verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: log.tree.root(size), path }), true);
    }
  }
  await rejects(t, "OUT_OF_RANGE", "a size past the log", () => new TiledTree(fetch, 5).root(6));
});

t.test("a folder holds what readers verify, and a changed tile is noticed", async (t) => {
  const path = mkdtempSync(join(t.testdir(), "tiles"));
  const folder = new TileFolder(path);
  t.equal(await folder.checkpoint(), undefined);
  const log = new GrowingLog();
  for (const size of [3, 300, 520]) await folder.publish((name) => tileOf(log, name), await log.grow(size));
  const note = (await folder.checkpoint()) ?? "";
  const checkpoint = await openCheckpoint(note, { vkey: signer.vkey }, nodeVerifier());
  const read: string[] = [];
  for await (const bytes of tiledEntries((name) => folder.read(name), checkpoint))
    read.push(Buffer.from(bytes).toString());
  t.equal(read.length, 520);
  t.equal(read[519], "entry 519");

  const tile = join(path, "tile/entries/001");
  const changed = readFileSync(tile);
  changed[7] = (changed[7] ?? 0) ^ 1;
  writeFileSync(tile, changed);
  await rejects(t, "BAD_TILE", "a changed entry", async () => {
    for await (const bytes of tiledEntries((name) => folder.read(name), checkpoint)) void bytes;
  });
});

t.test("a restored older log is not published over a newer checkpoint", async (t) => {
  const folder = new TileFolder(mkdtempSync(join(t.testdir(), "tiles")));
  const log = new GrowingLog();
  const older = await log.grow(3);
  await folder.publish((name) => tileOf(log, name), await log.grow(9));
  await rejects(t, "OUT_OF_RANGE", "the older checkpoint", () => folder.publish((name) => tileOf(log, name), older));
});

t.test("paths outside the log are not read", async (t) => {
  const folder = new TileFolder(mkdtempSync(join(t.testdir(), "tiles")));
  for (const path of ["../secret", "tile/0/../../secret", "/etc/passwd", "checkpoint/", "tile/0/000.new"])
    await rejects(t, "BAD_TILE", path, () => folder.read(path));
});

t.test(
  "whatever call fails, readers see the old checkpoint whole or the new one whole, and a retry completes",
  async (t) => {
    let failures = 0;
    for (let failing = 0; ; failing++) {
      const path = mkdtempSync(join(t.testdir(), "tiles"));
      const log = new GrowingLog();
      await new TileFolder(path).publish((name) => tileOf(log, name), await log.grow(5));
      let calls = 0;
      const failAt = <A extends readonly unknown[]>(call: (...args: A) => Promise<void>) => {
        return async (...args: A): Promise<void> => {
          if (calls++ === failing) throw new Error("no space left on device");
          return call(...args);
        };
      };
      const faulty: DurableFiles = {
        makeFolder: failAt(durableFiles.makeFolder),
        write: failAt(durableFiles.write),
        rename: failAt(durableFiles.rename),
        syncFolder: failAt(durableFiles.syncFolder),
      };
      const note = await log.grow(600);
      let failed = false;
      try {
        await new TileFolder(path, faulty).publish((name) => tileOf(log, name), note);
      } catch {
        failed = true;
        failures++;
      }
      const folder = new TileFolder(path);
      const check = async (): Promise<number> => {
        const current = (await folder.checkpoint()) ?? "";
        const opened = await openCheckpoint(current, { vkey: signer.vkey }, nodeVerifier());
        let count = 0;
        for await (const bytes of tiledEntries((name) => folder.read(name), opened)) count += bytes.length > 0 ? 1 : 0;
        return count;
      };
      const seen = await check();
      t.ok(seen === 5 || seen === 600, `${seen} entries after call ${failing}`);
      await folder.publish((name) => tileOf(log, name), note);
      t.equal(await check(), 600);
      if (!failed) break;
    }
    t.ok(failures > 20, `${failures} calls were made to fail`);
  },
);

t.test("tiles may be cached for ever, the checkpoint may not", async (t) => {
  t.equal(tileHeaders("tile/0/000")["cache-control"], "public, max-age=31536000, immutable");
  t.equal(tileHeaders("tile/0/000.p/7")["cache-control"], "public, max-age=86400, immutable");
  t.equal(tileHeaders("checkpoint")["cache-control"], "no-cache");
  refuses(t, "BAD_TILE", "a path that is none", () => parseTilePath("checkpoint"));
});
