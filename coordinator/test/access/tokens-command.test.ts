import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { accessStorePath, openAccessStore } from "../../src/access/access-store.js";
import { AccessTokens } from "../../src/access/access-tokens.js";
import { typed } from "../cli/typed.js";
import { temporaryFolder } from "../temporary-folder.js";

function start(t: Test) {
  const folder = temporaryFolder(t);
  const config = join(folder, "fedloop.yaml");
  writeFileSync(config, "origin: example.org/log\nplans: [plan.yaml]\ndataDir: data\n");
  const run = (...words: string[]) => typed(["--config", config, ...words]);
  return { run, dataDir: join(folder, "data") };
}

t.test("a token is made, listed, rotated and revoked, and shown once", async (t) => {
  const { run, dataDir } = start(t);
  const make = ["tokens", "create", "--role", "auditor", "--name", "the auditors", "--population", "a", "b"];
  const made = await run(...make, "--expires-in", "30d");
  t.equal(made.exitCode, 0, made.err);
  const [token = ""] = /fedloop_\S+/.exec(made.out) ?? [];
  await using store = await openAccessStore(accessStorePath(dataDir));
  const tokens = new AccessTokens(store, Date);
  t.match(await tokens.verify(token), { role: "auditor", name: "the auditors", populations: ["a", "b"] });
  const id = token.slice(8, 20);
  const list = await run("tokens", "list");
  t.match(list.out, new RegExp(`^${id}  auditor   valid    ends .+  a, b  the auditors\n$`));
  t.notMatch(list.out, token.slice(-43));
  const rotated = JSON.parse((await run("tokens", "rotate", id, "--grace", "1h", "--json")).out);
  t.match(await tokens.verify(rotated.token), { role: "auditor" });
  t.equal((await run("tokens", "revoke", rotated.tokenId)).exitCode, 0);
  t.equal(await tokens.verify(rotated.token), undefined);
  t.ok(await tokens.verify(token), "until its grace is over");
  const all = JSON.parse((await run("tokens", "list", "--json")).out);
  t.match(all.tokens, [{ state: "valid" }, { state: "revoked" }]);
  t.notMatch(JSON.stringify(all), "sha256");
});

t.test("what cannot be is refused in a sentence", async (t) => {
  const { run } = start(t);
  t.match(await run("tokens", "list"), { exitCode: 0, out: "There are no tokens." });
  t.match(await run("tokens", "create", "--name", "x"), { exitCode: 2, err: "--role" });
  t.match(await run("tokens", "create", "--role", "king", "--name", "x"), { exitCode: 2, err: "operator, auditor" });
  t.match(await run("tokens", "create", "--role", "viewer", "--name", "x", "--expires-in", "never"), { exitCode: 2 });
  t.match(await run("tokens", "create", "--role", "viewer", "--name", "x", "--expires-in", "400d"), { exitCode: 2 });
  t.match(await run("tokens", "revoke", "000000000000"), { err: "error NOT_FOUND: expected the id of a token" });
});
