// What every content store does, wherever the bytes lie.
import { createHash } from "node:crypto";
import type { Test } from "tap";
import type { ContentStore } from "../../src/models/content-store.js";

export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

/** @param opened gives a store on an empty place, and opens the same place again, as another process would */
export function contentStoreCompliance(
  t: Test,
  opened: (t: Test) => Promise<{ readonly store: ContentStore; again(): Promise<ContentStore> }>,
): void {
  t.test("bytes are found by their hash, whole and in parts, also by another process", async (t) => {
    const { store, again } = await opened(t);
    const bytes = pattern(300_000);
    const sha256 = await store.put(bytes);
    t.same(Buffer.from(sha256), createHash("sha256").update(bytes).digest());
    for (const each of [store, await again()]) {
      t.same(Buffer.from(await each.read(sha256)), Buffer.from(bytes));
      t.equal(await each.size(sha256), 300_000);
      const { bytes: part, totalBytes } = await each.range(sha256, 299_000, 5_000);
      t.same(Buffer.from(part), Buffer.from(bytes.subarray(299_000)));
      t.equal(totalBytes, 300_000);
      await using artifact = await each.openArtifact(sha256);
      t.same(Buffer.from(await artifact.read(10, 4)), Buffer.from(bytes.subarray(10, 14)));
    }
    t.equal(await (await again()).size(sha256), 300_000, "before anything was read");
  });

  t.test("what is kept can be listed, and removed, for other processes too", async (t) => {
    const { store, again } = await opened(t);
    const [first, second] = [await store.put(pattern(10)), await store.put(pattern(20))];
    const listed = async () =>
      (await (await again()).kept()).map((sha256) => Buffer.from(sha256).toString("hex")).sort();
    t.same(await listed(), [first, second].map((sha256) => Buffer.from(sha256).toString("hex")).sort());
    const writtenMs = (await store.writtenMs(first)) ?? 0;
    t.ok(Math.abs(Date.now() - writtenMs) < 600_000, "within ten minutes");
    await store.remove(first);
    await store.remove(first);
    t.same(await listed(), [Buffer.from(second).toString("hex")]);
    t.equal(await store.writtenMs(first), undefined);
    await t.rejects((await again()).read(first), { code: "NOT_FOUND" });
    await store.put(pattern(10));
    t.same(Buffer.from(await (await again()).read(first)), Buffer.from(pattern(10)));
  });

  t.test("no bytes are an artifact too, and the same bytes twice, also at once, are one", async (t) => {
    const { store, again } = await opened(t);
    const empty = await store.put(new Uint8Array(0));
    t.equal((await (await again()).read(empty)).length, 0);
    const put = () => store.put(pattern(100));
    const hashes = await Promise.all([put(), put(), (await again()).put(pattern(100))]);
    t.equal(new Set(hashes.map((hash) => Buffer.from(hash).toString("hex"))).size, 1);
    const [first = new Uint8Array(32)] = hashes;
    t.same(Buffer.from(await (await again()).read(first)), Buffer.from(pattern(100)));
  });

  t.test("unknown hashes, offsets beyond the end and aborted puts are refused", async (t) => {
    const { store } = await opened(t);
    const sha256 = await store.put(pattern(10));
    await t.rejects(store.read(new Uint8Array(32)), { code: "NOT_FOUND" });
    await t.rejects(store.openArtifact(new Uint8Array(32)), { code: "NOT_FOUND" });
    t.equal(await store.size(new Uint8Array(32)), undefined);
    await t.rejects(store.read(new Uint8Array(31)), { code: "BAD_REQUEST" });
    for (const offset of [-1, 11, 0.5, Number.NaN]) {
      await t.rejects(store.range(sha256, offset, 1), { code: "OUT_OF_RANGE" }, String(offset));
    }
    await t.rejects(store.put(pattern(11), { signal: AbortSignal.abort(new Error("stop")) }), { message: "stop" });
    t.equal(await store.size(createHash("sha256").update(pattern(11)).digest()), undefined);
  });
}
