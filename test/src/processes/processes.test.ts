import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { LineProcess } from "./lines.js";
import { FEDLOOP, FEDLOOP_AUDIT, POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

interface ParticipantLine {
  readonly event: "joined" | "accepted" | "abandoned" | "done";
  readonly round?: number;
}

function participants(t: Test, address: string, ...values: number[]): LineProcess<ParticipantLine> {
  const script = fileURLToPath(new URL("./participants.js", import.meta.url));
  return new LineProcess(t, [script, address, ...values.map(String)]);
}

const run = promisify(execFile);

t.test("operator, participants and auditor, each in a process of its own", async (t) => {
  const folder = temporaryFolder(t);
  const config = writeConfiguration(folder, { rounds: 2 });
  const server = new ServeProcess(t, config, ["--exit-when-finished"]);
  const { address } = await server.listening();
  const people = participants(t, address, 1, 2, 3);
  t.match(await server.line(({ event }) => event === "finished"), { population: POPULATION, why: "rounds-done" });
  t.equal(await people.exit(), 0, people.log);
  t.equal(people.lines.filter(({ event }) => event === "accepted").length, 6);
  t.equal(await server.exit(), 0, server.log);
  t.match(server.lines.at(-1), { event: "stopped", peakServerMb: Number });
  const bundle = join(folder, "bundle.jsonl");
  await run(process.execPath, [FEDLOOP, "--config", config, "audit-bundle", "export", "--out", bundle]);
  const { stdout } = await run(process.execPath, [FEDLOOP_AUDIT, "verify", bundle, "--json"]);
  t.match(JSON.parse(stdout), { ok: true, rounds: { planned: 2, completed: 2 } });
  const status = await run(process.execPath, [FEDLOOP, "--config", config, "status", "--json"]);
  t.match(JSON.parse(status.stdout), { populations: [{ population: POPULATION, devices: 3, rounds: { closed: 2 } }] });
});

t.test("asked to stop in mid-round, the server drains and ends with 0; started again it goes on", async (t) => {
  const folder = temporaryFolder(t);
  const plan = { rounds: 1, cohort: { target: 4, minimum: 4, overSelection: 1 } };
  const first = new ServeProcess(t, writeConfiguration(folder, plan));
  const { address } = await first.listening();
  const people = participants(t, address, 1, 2, 3);
  await people.line(({ event }) => event === "joined");
  const late = participants(t, address, 6);
  await first.line(({ state }) => state === "selecting");
  first.child.kill("SIGTERM");
  t.equal(await first.exit(), 0, first.log);
  t.match(first.lines.at(-1), { event: "stopped" });
  const port = Number(address.split(":").at(-1));
  const second = new ServeProcess(t, writeConfiguration(folder, plan, port), ["--exit-when-finished"]);
  t.match(await second.line(({ event }) => event === "finished"), { why: "rounds-done" });
  t.equal(await people.exit(), 0, people.log);
  t.equal(await late.exit(), 0, late.log);
  t.equal(await second.exit(), 0, second.log);
});

t.test("a second signal does not wait", async (t) => {
  const server = new ServeProcess(t, writeConfiguration(temporaryFolder(t)));
  await server.listening();
  server.child.kill("SIGTERM");
  server.child.kill("SIGTERM");
  t.ok([0, 130].includes(Number(await server.exit())), "in order, or at once");
});
