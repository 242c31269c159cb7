import { chmod, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { importSealingKey, memoryStore, sealedStore } from "../../src/index.js";
import { fileStore } from "../../src/index.node.js";
import { type StoreCase, storeCases } from "./compliance.js";

/** Binds the suite. */
function compliance(name: string, cases: readonly StoreCase[]): void {
  for (const { name: behaviour, run } of cases) t.test(`${name}: ${behaviour}`, (t) => t.resolves(run()));
}

const root = t.testdir();
compliance(
  "memory",
  storeCases(async () => memoryStore(), false),
);
compliance(
  "files",
  storeCases(async (place) => fileStore(join(root, place)), true),
);
const sealingKey = await importSealingKey(new Uint8Array(32).fill(7));
compliance(
  "sealed files",
  storeCases(async (place) => sealedStore(fileStore(join(root, `sealed-${place}`)), sealingKey), true),
);

t.test("a sealed store shows nothing of its values, and notices each change of them", async (t) => {
  const inner = memoryStore();
  const store = sealedStore(inner, sealingKey);
  const secret = new TextEncoder().encode("what this person rated");
  await store.put("a", secret);
  await store.put("b", secret);
  const sealed = (await inner.get("a")) ?? new Uint8Array(0);
  t.equal(Buffer.from(sealed).indexOf(secret), -1);
  t.notSame(await inner.get("b"), sealed, "the same value is sealed anew each time");
  for (let bit = 0; bit < sealed.length * 8; bit += 5) {
    await inner.put(
      "a",
      sealed.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)),
    );
    await t.rejects(store.get("a"), { code: "STORE_CORRUPT" });
  }
  await inner.put("b", sealed);
  await t.rejects(store.get("b"), { code: "STORE_CORRUPT" }, "a value under another name");
  await inner.put("a", sealed);
  const other = sealedStore(inner, await importSealingKey(new Uint8Array(32).fill(8)));
  await t.rejects(other.get("a"), { code: "STORE_CORRUPT" }, "another key");
  await t.rejects(importSealingKey(new Uint8Array(16)), { code: "BAD_OPTION" });
});

t.test("a file store is readable by its owner only", async (t) => {
  const folder = join(t.testdir(), "store");
  const store = fileStore(folder);
  await store.put("a", Uint8Array.of(1));
  const [file] = await readdir(folder);
  t.equal((await stat(folder)).mode & 0o777, 0o700);
  t.equal((await stat(join(folder, file ?? ""))).mode & 0o777, 0o600);
  await store.close();
});

t.test("a write that was cut short by a crash is not seen", async (t) => {
  const folder = t.testdir();
  const store = fileStore(folder);
  await store.put("a", Uint8Array.of(1));
  const [file] = await readdir(folder);
  await writeFile(join(folder, `${file}.7.new`), "torn");
  t.same(await store.get("a"), Uint8Array.of(1));
  t.same(await store.keys(""), ["a"]);
  await store.close();
});

t.test("a folder that cannot be written is an error with a code", async (t) => {
  const folder = t.testdir({ store: "a file where a folder is due" });
  await chmod(join(folder, "store"), 0o600);
  const store = fileStore(join(folder, "store"));
  await t.rejects(store.put("a", Uint8Array.of(1)), { code: "STORE_FAILED" });
  await store.close();
});
