import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { temporaryFolder } from "../temporary-folder.js";

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

t.test("bytes are found by their hash, whole and in parts, also after opening again", async (t) => {
  const folder = temporaryFolder(t);
  const bytes = pattern(10_000);
  const sha256 = await (await ArtifactStore.open(folder)).put(bytes);
  t.same(Buffer.from(sha256), createHash("sha256").update(bytes).digest());
  const store = await ArtifactStore.open(folder);
  t.same(await store.read(sha256), bytes);
  t.equal(await store.size(sha256), 10_000);
  t.same(await store.range(sha256, 9_000, 5_000), { bytes: bytes.subarray(9_000), totalBytes: 10_000 });
  t.same(await store.range(sha256, 10_000, 1), { bytes: new Uint8Array(0), totalBytes: 10_000 });
});

t.test("bytes of more than one step keep their hash", async (t) => {
  const store = await ArtifactStore.open(temporaryFolder(t));
  const bytes = new Uint8Array((4 << 20) * 2 + 17).fill(7);
  const sha256 = await store.put(bytes);
  t.same(Buffer.from(sha256), createHash("sha256").update(bytes).digest());
  t.ok(Buffer.from(await store.read(sha256)).equals(bytes));
});

t.test("no bytes are an artifact too", async (t) => {
  const store = await ArtifactStore.open(temporaryFolder(t));
  const sha256 = await store.put(new Uint8Array(0));
  t.same(await store.read(sha256), new Uint8Array(0));
});

t.test("putting the same bytes twice, also at once, keeps one file", async (t) => {
  const folder = temporaryFolder(t);
  const store = await ArtifactStore.open(folder);
  const [first] = await Promise.all([store.put(pattern(100)), store.put(pattern(100)), store.put(pattern(100))]);
  t.same(readdirSync(join(folder, "unfinished")), []);
  t.equal(readdirSync(folder).length, 2);
  t.same(await store.read(first), pattern(100));
});

t.test("what a killed process was writing is cleared away", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "unfinished"));
  writeFileSync(join(folder, "unfinished", "half"), "half");
  await ArtifactStore.open(folder);
  t.same(readdirSync(join(folder, "unfinished")), []);
});

t.test("an aborted put leaves nothing", async (t) => {
  const folder = temporaryFolder(t);
  const store = await ArtifactStore.open(folder);
  await t.rejects(store.put(pattern(10), { signal: AbortSignal.abort(new Error("stop")) }), { message: "stop" });
  t.same(readdirSync(folder), ["unfinished"]);
  t.same(readdirSync(join(folder, "unfinished")), []);
});

t.test("unknown hashes, offsets beyond the end and hashes of the wrong length are refused", async (t) => {
  const store = await ArtifactStore.open(temporaryFolder(t));
  const sha256 = await store.put(pattern(10));
  await t.rejects(store.read(new Uint8Array(32)), { code: "NOT_FOUND" });
  t.equal(await store.size(new Uint8Array(32)), undefined);
  await t.rejects(store.read(new Uint8Array(31)), { code: "BAD_REQUEST" });
  for (const offset of [-1, 11, 0.5, Number.NaN]) {
    await t.rejects(store.range(sha256, offset, 1), { code: "OUT_OF_RANGE" }, String(offset));
  }
});

t.test("a file that was changed on disk is not handed out", async (t) => {
  const store = await ArtifactStore.open(temporaryFolder(t));
  const sha256 = await store.put(pattern(10));
  writeFileSync(store.path(sha256), pattern(11));
  await t.rejects(store.read(sha256), { code: "ARTIFACT_CORRUPT" });
});
