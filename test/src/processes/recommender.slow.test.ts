// The ready-made recommender as a plan that a coordinator serves: over gRPC, under masks and with the devices' own noise.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { projectionScores, readModel } from "@fedloop/client-runtime";
import t from "tap";
import { LineProcess } from "./lines.js";
import { FEDLOOP, FEDLOOP_AUDIT, POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

t.setTimeout(120_000);

/** Two tastes of four items each; of whoever has a taste one of its items was kept back. */
const TASTES = [
  [0, 1, 2, 3],
  [4, 5, 6, 7],
] as const;

const PEOPLE = 12;

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
    // Little noise, for so few people: the length of a taste in a sum is about 6, the noise of each number up to 0.1.
    privacy: { mechanism: "distributed-discrete-gaussian", noiseMultiplier: 0.05, bits: 24 },
    policy: { epsilon: 1_000, delta: 1e-5 },
    secureAggregation: { enabled: true },
    evaluation: { metric: "ranking", clipNorm: 1.75, settings: { top: 1 } },
  });
  const server = new ServeProcess(t, config, ["--exit-when-finished"]);
  const { address } = await server.listening();
  const script = fileURLToPath(new URL("./recommender-device.js", import.meta.url));
  const people = new LineProcess<{ readonly event: string }>(t, [script, address, ...histories()]);
  t.equal(await people.exit(), 0, people.log);
  t.same(people.lines, [], "nobody refused");
  t.equal(await server.exit(), 0, server.log);

  const file = join(folder, "model.safetensors");
  await run(process.execPath, [FEDLOOP, "--config", config, "models", "export", POPULATION, "3", "--out", file]);
  const model = readModel(new Uint8Array(readFileSync(file)));
  for (const [taste, [first, ...others]] of TASTES.entries()) {
    const scores = projectionScores(
      model,
      Int32Array.of(first, others[0]),
      Int32Array.from({ length: 8 }, (_, i) => i),
    );
    const least = Math.min(...TASTES[taste === 0 ? 0 : 1].map((item) => scores[item] ?? 0));
    const most = Math.max(...TASTES[taste === 0 ? 1 : 0].map((item) => scores[item] ?? 0));
    t.ok(least > most + 0.2, `of taste ${taste}: ${scores}`);
  }

  const { stdout } = await run(process.execPath, [FEDLOOP, "--config", config, "status", "--json"]);
  const [population] = JSON.parse(stdout).populations;
  t.ok(Math.abs(population.metrics.hitRate - 1) < 0.2, stdout);
  t.ok(Math.abs(population.metrics.ndcg - 1) < 0.2, stdout);
  const bundle = join(folder, "bundle.jsonl");
  await run(process.execPath, [FEDLOOP, "--config", config, "audit-bundle", "export", "--out", bundle]);
  const verified = await run(process.execPath, [FEDLOOP_AUDIT, "verify", bundle, "--json"]);
  t.match(JSON.parse(verified.stdout), { ok: true, rounds: { planned: 4, completed: 4 } });
});
