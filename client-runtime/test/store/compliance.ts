// What every device store has to do, whatever it is made of.
import fc from "fast-check";
import type { Test } from "tap";
import type { DeviceStore } from "../../src/index.js";

const text = new TextEncoder();

/**
 * Runs the suite.
 *
 * @param open a store: the same contents each time for one `place`, where the store outlives its process
 * @param isDurable whether what was put is there after `close` and `open`
 */
export function storeCompliance(
  t: Test,
  name: string,
  open: (place: string) => Promise<DeviceStore>,
  isDurable: boolean,
): void {
  t.test(`${name}: gives back what was put, and undefined for what was not`, async (t) => {
    const store = await open("basic");
    t.equal(await store.get("a"), undefined);
    await store.put("a", Uint8Array.of(1, 2, 3));
    t.same(await store.get("a"), Uint8Array.of(1, 2, 3));
    await store.put("a", new Uint8Array(0));
    t.same(await store.get("a"), new Uint8Array(0));
    await store.delete("a");
    t.equal(await store.get("a"), undefined);
    await store.delete("a");
    await store.close();
  });

  t.test(`${name}: keeps its own copy`, async (t) => {
    const store = await open("copies");
    const bytes = Uint8Array.of(1);
    await store.put("a", bytes);
    bytes[0] = 2;
    const first = await store.get("a");
    t.same(first, Uint8Array.of(1));
    if (first !== undefined) first[0] = 3;
    t.same(await store.get("a"), Uint8Array.of(1));
    await store.close();
  });

  t.test(`${name}: lists keys by prefix in order`, async (t) => {
    const store = await open("keys");
    for (const key of ["b/2", "a", "b/10", "B/1", "b", "b/1/x"]) await store.put(key, text.encode(key));
    t.same(await store.keys("b/"), ["b/1/x", "b/10", "b/2"]);
    t.same(await store.keys(""), ["B/1", "a", "b", "b/1/x", "b/10", "b/2"]);
    t.same(await store.keys("c"), []);
    await store.close();
  });

  t.test(`${name}: any text of up to 512 characters is a key of its own`, async (t) => {
    const store = await open("any");
    const keys = fc.uniqueArray(
      fc.oneof(
        fc.string({ minLength: 1, maxLength: 20, unit: "binary" }),
        fc.constantFrom("..", ".", "/", "\\", "con", "A", "a", "é", "e\u0301", "\ud800", "x".repeat(512)),
        fc.string({ minLength: 40, maxLength: 400 }),
      ),
      { minLength: 1, maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(keys, async (names) => {
        for (const [i, key] of names.entries()) await store.put(key, Uint8Array.of(i));
        for (const [i, key] of names.entries()) {
          const value = await store.get(key);
          if (value?.length !== 1 || value[0] !== i) return false;
        }
        const listed = await store.keys("");
        for (const key of names) await store.delete(key);
        return listed.join("\u0000") === [...names].sort().join("\u0000");
      }),
      { seed: 20, numRuns: 30 },
    );
    t.same(await store.keys(""), []);
    await store.close();
  });

  t.test(`${name}: of puts at the same time the last one stays`, async (t) => {
    const store = await open("race");
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.put("a", new Uint8Array(1 + (20 - i) * 100).fill(i))));
    t.equal((await store.get("a"))?.[0], 19);
    await store.close();
  });

  t.test(`${name}: refuses an empty key, one that is too long, and work after it was closed`, async (t) => {
    const store = await open("refusals");
    await t.rejects(store.put("", Uint8Array.of(1)), { code: "STORE_FAILED" });
    await t.rejects(store.put("x".repeat(513), Uint8Array.of(1)), { code: "STORE_FAILED" });
    await store.close();
    await t.rejects(store.get("a"), { code: "STORE_FAILED" });
    await t.rejects(store.put("a", Uint8Array.of(1)), { code: "STORE_FAILED" });
    await t.rejects(store.keys(""), { code: "STORE_FAILED" });
  });

  if (!isDurable) return;
  t.test(`${name}: what was put is there for the next process`, async (t) => {
    const first = await open("durable");
    await first.put("a", Uint8Array.of(7));
    await first.close();
    const second = await open("durable");
    t.same(await second.get("a"), Uint8Array.of(7));
    await second.close();
  });
}
