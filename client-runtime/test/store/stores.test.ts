import { chmod, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { memoryStore } from "../../src/index.js";
import { fileStore } from "../../src/index.node.js";
import { storeCompliance } from "./compliance.js";

storeCompliance(t, "memory", async () => memoryStore(), false);

const root = t.testdir();
storeCompliance(t, "files", async (place) => fileStore(join(root, place)), true);

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
