// `fedloop vault …` and `fedloop witness`, as they are typed.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatAddCheckpoint, openNote, parseNote, parseVkey } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import t, { type Test } from "tap";
import { Federation, ORIGIN } from "../server/federation.js";
import { temporaryFolder } from "../temporary-folder.js";
import { typed } from "./typed.js";

/** A data folder with three participants, one of them erased, and its configuration. */
async function dataFolder(
  t: Test,
): Promise<{ config: string; folder: string; subjects: string[]; federation: Federation }> {
  const folder = temporaryFolder(t);
  const federation = await Federation.open(t, { dataDir: join(folder, "data"), vaultDir: join(folder, "vault") });
  const people = [await federation.join(), await federation.join()];
  await (await federation.join()).erase();
  const config = join(folder, "fedloop.yaml");
  writeFileSync(join(folder, "notice.md"), "notice");
  writeFileSync(config, `origin: ${ORIGIN}\ndataDir: data\nvaultDir: vault\nplans: [plan.yaml]\n`);
  return { config, folder, subjects: people.map(({ subject }) => subject).sort(), federation };
}

t.test("the vault's key is replaced while the coordinator runs, which goes on serving everyone", async (t) => {
  const { config, folder, federation } = await dataFolder(t);
  const before = JSON.parse((await typed(["--config", config, "vault", "status", "--json"])).out);
  t.match(before, { subjects: 2, currentKey: "1", subjectsByKey: { 1: 2 }, rotating: false });
  const rotated = await typed(["--config", config, "vault", "rotate-key", "--json"]);
  t.equal(rotated.exitCode, 0, rotated.err);
  t.match(JSON.parse(rotated.out), { current: "2", destroyed: ["1"], rewrapped: 2, resumed: false });
  t.same(readdirSync(join(folder, "data", "keys", "vault")), ["2.key"]);
  const status = await typed(["--config", config, "status", "--json"]);
  t.match(JSON.parse(status.out), { origin: ORIGIN, populations: [{ devices: 2 }] });
  const late = await federation.join();
  t.ok((await late.export()).coordinator, "keys made and read after the rotation");
  t.match((await typed(["--config", config, "vault", "status"])).out, /keys of 3 participants under key 2/);
  t.match((await typed(["--config", config, "vault", "rotate-key"])).out, /key 3 is in force, 3 participants' keys/);
});

t.test(
  "the pseudonyms that still have a key are printed for the auditor, without those that were erased",
  async (t) => {
    const { config, subjects } = await dataFolder(t);
    const { out } = await typed(["--config", config, "vault", "subjects", "--json"]);
    t.same(JSON.parse(out), { subjectsWithKeys: subjects });
    t.equal((await typed(["--config", config, "vault", "subjects"])).out, `${subjects.join("\n")}\n`);
  },
);

t.test("looking at a vault that is not there does not make one", async (t) => {
  const folder = temporaryFolder(t);
  const config = join(folder, "fedloop.yaml");
  writeFileSync(config, `origin: ${ORIGIN}\nplans: [plan.yaml]\n`);
  for (const name of ["status", "rotate-key", "subjects"]) {
    const { exitCode, err } = await typed(["--config", config, "vault", name]);
    t.equal(exitCode, 3);
    t.match(err, /FILE_UNREADABLE/);
  }
  t.same(readdirSync(folder), ["fedloop.yaml"]);
});

t.test("a witness listens, cosigns a log that grows, and keeps its key from run to run", async (t) => {
  const federation = await Federation.open(t);
  const { verifierKey, ledger } = federation.coordinator;
  const data = temporaryFolder(t);
  const keys: string[] = [];
  for (const oldSize of [0, 1]) {
    const stopping = new AbortController();
    let listening = (_text: string): void => undefined;
    const line = new Promise<string>((resolve) => {
      listening = resolve;
    });
    const words = ["witness", "--name", "w.example", "--log", verifierKey, "--data", data, "--listen", "127.0.0.1:0"];
    const running = typed([...words, "--json"], { signal: stopping.signal, onPrint: listening });
    const { url, verifierKey: vkey } = JSON.parse(await line);
    keys.push(vkey);
    const { text: checkpoint, size } = ledger.checkpoint();
    const proof = oldSize === 0 ? [] : ledger.consistency(oldSize, size);
    const body = formatAddCheckpoint({ oldSize, proof: [...proof], checkpoint });
    const answer = await fetch(`${url}/add-checkpoint`, { method: "POST", body });
    t.equal(answer.status, 200);
    const note = `${parseNote(checkpoint).text}\n${await answer.text()}`;
    t.equal((await openNote(note, [parseVkey(vkey)], nodeVerifier())).verified.length, 1);
    t.equal((await fetch(`${url}/add-checkpoint`, { method: "POST", body: "x".repeat(70_000) })).status, 413);
    t.equal((await fetch(`${url}/checkpoint`)).status, 404);
    stopping.abort();
    t.equal((await running).exitCode, 0);
    await federation.join();
  }
  t.equal(keys[0], keys[1]);
});

t.test("a witness without a log, with half a certificate or off loopback without one does not start", async (t) => {
  const { verifierKey } = (await Federation.open(t)).coordinator;
  const data = temporaryFolder(t);
  const common = ["witness", "--name", "w.example", "--data", data];
  t.equal((await typed(common)).exitCode, 2);
  const withLog = [...common, "--log", verifierKey];
  t.equal((await typed([...withLog, "--tls-cert", "x.pem"])).exitCode, 2);
  t.equal((await typed([...withLog, "--listen", "0.0.0.0:0"])).exitCode, 3);
  t.equal((await typed([...withLog, "--listen", "nowhere"])).exitCode, 3);
  t.equal((await typed([...common, "--log", "no key"])).exitCode, 3);
});
