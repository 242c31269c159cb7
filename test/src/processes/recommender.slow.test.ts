// The ready-made recommender as a plan that a coordinator serves: over gRPC, under masks and with the devices' own noise.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { LineProcess } from "./lines.js";
import { FEDLOOP, FEDLOOP_AUDIT, ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

t.setTimeout(120_000);

/** Two tastes of four items each; of whoever has a taste one of its items was kept back. */
const TASTES = [
  [0, 1, 2, 3],
  [4, 5, 6, 7],
] as const;

const PEOPLE = 12;

interface PersonLine {
  readonly event: "recommends" | "refused";
  readonly held?: readonly number[];
  readonly item?: number;
}

function histories(): readonly string[] {
  return Array.from({ length: PEOPLE }, (_, person) => {
    const [own, other] = person % 2 === 0 ? TASTES : [TASTES[1], TASTES[0]];
    const kept = own[Math.floor(person / 2) % own.length];
    return `${own.filter((item) => item !== kept).join(",")}:${[kept, ...other].join(",")}`;
  });
}

const run = promisify(execFile);

t.test("what people like is found by three masked, noised rounds, and each device recommends by itself", async (t) => {
  const folder = temporaryFolder(t);
  const config = writeConfiguration(folder, {
    model: { tensors: { items: [8, 2] }, init: "glorot-uniform" },
    trainer: { id: "second-moments" },
    strategy: { id: "subspace-iteration", settings: { factors: 2 } },
    rounds: 3,
    cohort: { target: PEOPLE, minimum: 10, overSelection: 1 },
    // Little noise, for so few people: a taste in a sum is about 6 long, the noise of each number below 0.1. Chance decides nothing.
    privacy: { mechanism: "distributed-discrete-gaussian", noiseMultiplier: 0.05, bits: 24 },
    policy: { epsilon: 1_000, delta: 1e-5 },
    secureAggregation: { enabled: true },
    evaluation: { metric: "ranking", clipNorm: 1.75, settings: { top: 1 } },
  });
  const server = new ServeProcess(t, config);
  const { address } = await server.listening();
  const script = fileURLToPath(new URL("./recommender-device.js", import.meta.url));
  const people = new LineProcess<PersonLine>(t, [script, address, ...histories()]);
  t.equal(await people.exit(), 0, people.log);
  server.child.kill("SIGTERM");
  t.equal(await server.exit(), 0, server.log);
  t.equal(people.lines.filter(({ event }) => event === "recommends").length, PEOPLE, "nobody refused");
  for (const { held, item } of people.lines) t.equal(item, held?.[0], `of ${held} the one that was kept back`);

  const { stdout } = await run(process.execPath, [FEDLOOP, "--config", config, "status", "--json"]);
  const [population] = JSON.parse(stdout).populations;
  t.ok(Math.abs(population.metrics.hitRate - 1) < 0.2, stdout);
  t.ok(Math.abs(population.metrics.ndcg - 1) < 0.2, stdout);
  const bundle = join(folder, "bundle.jsonl");
  await run(process.execPath, [FEDLOOP, "--config", config, "audit-bundle", "export", "--out", bundle]);
  const verified = await run(process.execPath, [FEDLOOP_AUDIT, "verify", bundle, "--json"]);
  t.match(JSON.parse(verified.stdout), { ok: true, rounds: { planned: 4, completed: 4 } });
});
