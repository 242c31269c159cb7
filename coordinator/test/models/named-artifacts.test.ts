import { utimesSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { removeUnnamedSums } from "../../src/models/named-artifacts.js";
import { encodeSafetensors } from "../../src/models/safetensors.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { temporaryFolder } from "../temporary-folder.js";

const TENSORS = [{ name: "w", shape: [2] }];

/** A database that names a sum, and a folder with that one, one that nothing names, an empty one, and a model. */
async function folderWithSums(t: Test) {
  const folder = temporaryFolder(t);
  const store = await openSqliteStore(join(folder, "fedloop.sqlite"));
  t.teardown(() => store.close());
  const artifacts = await ArtifactStore.open(join(folder, "artifacts"));
  const put = (values: readonly number[]) => artifacts.put(new Uint8Array(Float32Array.from(values).buffer));
  const [named, unnamed, empty] = [await put([1, 2]), await put([3, 4, 5]), await put([])];
  const model = await artifacts.put(
    encodeSafetensors({ tensors: TENSORS, parameters: Float32Array.of(1, 2), metadata: {} }),
  );
  await store.db.insertInto("populations").values({ name: "p", plan: "{}", state: "running", created_ms: 0 }).execute();
  await store.db.insertInto("models").values({ sha256: named, population: "p", round: 1, created_ms: 0 }).execute();
  const present = async (): Promise<string[]> => {
    const all = Object.entries({ named, unnamed, empty, model });
    const sizes = await Promise.all(all.map(async ([name, sha256]) => [name, await artifacts.size(sha256)] as const));
    return sizes.flatMap(([name, size]) => (size === undefined ? [] : [name]));
  };
  return { store, artifacts, present, unnamed };
}

t.test("sums that nothing names are removed; what is named, and models, stay", async (t) => {
  const { store, artifacts, present } = await folderWithSums(t);
  t.equal(await removeUnnamedSums(store, artifacts, false), 2);
  t.strictSame(await present(), ["named", "model"]);
  t.equal(await removeUnnamedSums(store, artifacts, false), 0);
});

t.test("where others write too, a sum may be named in a moment: only old ones are removed", async (t) => {
  const { store, artifacts, present, unnamed } = await folderWithSums(t);
  t.equal(await removeUnnamedSums(store, artifacts, true), 0);
  const longAgo = Date.now() / 1_000 - 2 * 3_600;
  utimesSync(artifacts.path(unnamed), longAgo, longAgo);
  t.equal(await removeUnnamedSums(store, artifacts, true), 1);
  t.strictSame(await present(), ["named", "empty", "model"]);
});
