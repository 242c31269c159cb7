import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadConfig } from "../../src/config/config.js";
import { typed } from "../cli/typed.js";
import { temporaryFolder } from "../temporary-folder.js";

const run = (...words: string[]) => typed(words);

t.test("what init writes is a configuration and a plan that can be used as they stand", async (t) => {
  const folder = join(temporaryFolder(t), "new");
  const { exitCode, out, err } = await run("init", folder, "--population", "schools");
  t.equal(exitCode, 0, err);
  t.match(out, `1. cd ${folder}`);
  t.match(out, "fedloop serve");
  const config = await loadConfig(join(folder, "fedloop.yaml"), {});
  t.match(config.tls, { cert: join(folder, "tls", "server.pem"), key: join(folder, "tls", "server.key") });
  const validated = await run("--config", join(folder, "fedloop.yaml"), "plan", "validate");
  t.match(validated, { exitCode: 0, out: "secure aggregation  on" });
  t.match(validated.out, /population +schools/);
});

t.test("its certificates are one authority's, for this machine and what else was named, for a year", async (t) => {
  const folder = temporaryFolder(t);
  t.match(await run("init", folder, "--host", "fedloop.example.org", "--host", "10.0.0.7"), { exitCode: 0 });
  const read = (name: string) => new X509Certificate(readFileSync(join(folder, "tls", name)));
  const [ca, server, client] = [read("ca.pem"), read("server.pem"), read("client.pem")];
  for (const certificate of [ca, server, client]) {
    t.ok(certificate.checkIssued(ca));
    t.ok(certificate.verify(ca.publicKey));
    const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
    t.ok(days > 365 && days < 398, `${days} days`);
    t.ok(Date.parse(certificate.validFrom) < Date.now());
  }
  t.ok(ca.ca);
  t.notOk(server.ca || client.ca);
  for (const name of ["localhost", "fedloop.example.org"]) t.equal(server.checkHost(name), name);
  for (const address of ["127.0.0.1", "10.0.0.7"]) t.equal(server.checkIP(address), address);
  t.equal(server.checkHost("example.org"), undefined);
  for (const key of ["server.key", "client.key"]) t.equal(statSync(join(folder, "tls", key)).mode & 0o077, 0);
  t.notOk(readdirSync(join(folder, "tls")).includes("ca.key"), "no key is left that could sign more");
});

t.test("nothing is overwritten, and nothing is written beside what is there", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "plan.yaml"), "mine");
  const refused = await run("init", folder, "--json");
  t.equal(refused.exitCode, 3);
  t.match(JSON.parse(refused.err), { error: { code: "CONFLICT", message: /plan\.yaml/ } });
  t.strictSame(readdirSync(folder), ["plan.yaml"]);
  t.equal(readFileSync(join(folder, "plan.yaml"), "utf8"), "mine");
});

t.test("with --json it lists what it wrote; names that are none are refused", async (t) => {
  const folder = temporaryFolder(t);
  const { out } = await run("init", folder, "--json");
  t.match(JSON.parse(out), { folder, files: ["fedloop.yaml", "plan.yaml", "notice.md", "tls/ca.pem"] });
  t.match(await run("init", folder, "--population", "No Name"), { exitCode: 2, err: "lower-case letters" });
  t.match(await run("init", folder, "--host", "https://x"), { exitCode: 2, err: "without a port" });
});

t.test("whoever is in the folder already is not told to go there", async (t) => {
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  process.chdir(temporaryFolder(t));
  const { exitCode, out, err } = await run("init", ".");
  t.equal(exitCode, 0, err);
  t.match(out, "1. edit notice.md");
});
