import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseConfig } from "../../src/config/config.js";
import { storagePlaces } from "../../src/config/storage-places.js";
import { temporaryFolder } from "../temporary-folder.js";

const SECRET = "s3cret-of-the-test";

function config(store: string) {
  return parseConfig("fedloop.yaml", `origin: example.org/log\nplans: [a.yaml]\n${store}`, "/srv", {});
}

t.test("without a store section the state is a file of the data folder", async (t) => {
  t.same(await storagePlaces(config(""), {}), {
    dataDir: "/srv/fedloop-data",
    vaultDir: "/srv/fedloop-data-vault",
    keysDir: "/srv/fedloop-data/keys",
    artifactsDir: "/srv/fedloop-data/artifacts",
  });
});

t.test("the database's URL comes from the environment, or from a file", async (t) => {
  const url = `postgres://fedloop:${SECRET}@127.0.0.1:5432/fedloop`;
  const fromEnvironment = await storagePlaces(config("store: { postgres: {} }"), { FEDLOOP_POSTGRES_URL: url });
  t.same(fromEnvironment.store, { type: "postgres", url });
  const path = join(temporaryFolder(t), "url");
  writeFileSync(path, `${url}\n`);
  const fromFile = await storagePlaces(config(`store: { postgres: { urlFile: ${path} } }`), {});
  t.same(fromFile.store, { type: "postgres", url });
});

t.test("what is no URL, or one that others could read along, is refused without repeating it", async (t) => {
  const refused = {
    "": /came nothing/,
    [`mysql://a:${SECRET}@localhost/b`]: /expected postgres:/,
    [`postgres://a:${SECRET}@localhost`]: /expected postgres:/,
    [SECRET]: /expected postgres:/,
    [`postgres://a:${SECRET}@db.example.org/fedloop`]: /sslmode=verify-full/,
    [`postgres://a:${SECRET}@db.example.org/fedloop?sslmode=disable`]: /sslmode=verify-full/,
  };
  for (const [url, message] of Object.entries(refused)) {
    const failure = await storagePlaces(config("store: { postgres: {} }"), { FEDLOOP_POSTGRES_URL: url }).catch(
      (cause: unknown) => cause,
    );
    t.match(failure, { code: "BAD_CONFIG", message });
    t.notMatch(String(failure), SECRET);
  }
  await t.rejects(storagePlaces(config("store: { postgres: { urlFile: /nowhere/url } }"), {}), {
    code: "FILE_UNREADABLE",
  });
  for (const url of [
    "postgres://a@db.example.org/fedloop?sslmode=verify-full",
    "postgres://a@[::1]:5432/fedloop",
    "postgres:///fedloop?host=/var/run/postgresql",
  ]) {
    t.match(await storagePlaces(config("store: { postgres: {} }"), { FEDLOOP_POSTGRES_URL: url }), { store: { url } });
  }
});
