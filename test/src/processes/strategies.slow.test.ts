// SCAFFOLD and q-FedAvg with both sides in processes of their own, over gRPC and under masks, on numbers worked by hand.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readModel } from "@fedloop/client-runtime";
import { scaffoldModel } from "@fedloop/client-runtime/personalisation";
import t, { type Test } from "tap";
import { LINEAR } from "./linear-model.js";
import { LineProcess } from "./lines.js";
import { FEDLOOP, FEDLOOP_AUDIT, POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

t.setTimeout(120_000);

interface DeviceLine {
  readonly event: string;
  readonly round?: number;
  readonly before?: readonly string[];
  readonly left?: readonly string[];
}

/** FEATURE:LABEL of each device: the loss of w is (feature·w − label)². */
const DEVICES = ["1:3", "2:2", "1:2"] as const;
/** Steps of the encoding are below 1e-5; a device that did not correct its steps would be 4e-3 away. */
const TOLERANCE = 1e-4;

const PLAN = {
  rounds: 2,
  cohort: { target: 3, minimum: 3, overSelection: 1 },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 128, bits: 24 },
  secureAggregation: { enabled: true },
};

const run = promisify(execFile);

function devices(t: Test, args: readonly string[]): LineProcess<DeviceLine> {
  const script = fileURLToPath(new URL("./strategy-device.js", import.meta.url));
  return new LineProcess(t, [script, ...args]);
}

/** Parameters that a round has released, as `fedloop models export` writes them. */
async function released(config: string, folder: string, round: number) {
  const file = join(folder, `model-${round}.safetensors`);
  await run(process.execPath, [FEDLOOP, "--config", config, "models", "export", POPULATION, `${round}`, "--out", file]);
  return readModel(new Uint8Array(readFileSync(file)));
}

function near(t: Test, came: Iterable<number>, due: readonly number[], name: string): void {
  const values = [...came];
  t.equal(values.length, due.length, name);
  due.forEach((value, i) => {
    t.ok(Math.abs((values[i] ?? Number.NaN) - value) < TOLERANCE, `${name}: expected ${due}, came ${values}`);
  });
}

async function verified(t: Test, config: string, folder: string): Promise<void> {
  const bundle = join(folder, "bundle.jsonl");
  await run(process.execPath, [FEDLOOP, "--config", config, "audit-bundle", "export", "--out", bundle]);
  const { stdout } = await run(process.execPath, [FEDLOOP_AUDIT, "verify", bundle, "--json"]);
  t.match(JSON.parse(stdout), { ok: true, rounds: { planned: 2, completed: 2 } });
}

t.test("SCAFFOLD: devices that come back in other processes correct their steps by c − cᵢ", async (t) => {
  const folder = temporaryFolder(t);
  const config = writeConfiguration(folder, {
    ...PLAN,
    model: { tensors: { w: [1, 1], c: [1, 1] } },
    trainer: { id: "line", settings: { learningRate: 0.1, epochs: 2, batchSize: 1 } },
    strategy: { id: "scaffold", settings: { devices: 3 } },
  });
  const server = new ServeProcess(t, config);
  const { address } = await server.listening();
  const [first, ...others] = DEVICES;
  for (const mode of ["once", "all"]) {
    const processes = [[first], others].map((some) => devices(t, [address, folder, "scaffold", mode, ...some]));
    for (const each of processes) t.equal(await each.exit(), 0, each.log);
  }
  const erasing = devices(t, [address, folder, "scaffold", "erase", first]);
  t.equal(await erasing.exit(), 0, erasing.log);
  const { before = [], left } = erasing.lines.find(({ event }) => event === "erased") ?? {};
  t.ok(
    before.some((key) => key.includes("scaffold/")),
    "the control variate was there",
  );
  t.strictSame(left, [], "and is gone with all else");
  server.child.kill("SIGTERM");
  t.equal(await server.exit(), 0, server.log);

  // Two steps of 0.1 from x = 0, c = cᵢ = 0. Device 1: gradient 2(w − 3), 0 → 0.6 → 1.08; cᵢ = −1.08/0.2 = −5.4. Device 2: 8w − 8,
  // 0 → 0.8 → 0.96; −4.8. Device 3: 2(w − 2), 0 → 0.4 → 0.72; −3.6. x = 2.76/3 = 0.92, c = −13.8/3.
  // Device 1, c − cᵢ = 0.8: 0.92 − 0.1(−4.16 + 0.8) = 1.256, − 0.1(−3.488 + 0.8) = 1.5248; Δcᵢ = 4.6 − 0.6048/0.2 = 1.576.
  // Device 2, 0.2: 0.964, 0.9728; 4.6 − 0.264 = 4.336. Device 3, −1: 1.236, 1.4888; 4.6 − 2.844 = 1.756.
  // x = 0.92 + (0.6048 + 0.0528 + 0.5688)/3, c = −4.6 + 7.668/3.
  const two = await released(config, folder, 2);
  near(t, two.parameters, [1.3288, -2.044], "[x | c] after two");
  near(t, scaffoldModel(two).parameters, [1.3288], "what an app uses");
  const topology = join(folder, "topology.json");
  writeFileSync(topology, JSON.stringify(LINEAR));
  const asLayers = ["--format", "tfjs", "--topology", topology, "--out", join(folder, "layers")];
  await run(process.execPath, [FEDLOOP, "--config", config, "models", "export", POPULATION, "2", ...asLayers]);
  const { buffer } = new Uint8Array(readFileSync(join(folder, "layers", "weights.bin")));
  near(t, new Float32Array(buffer), [1.3288], "and TensorFlow.js");
  await verified(t, config, folder);
});

t.test("q-FedAvg: devices with a larger loss count more, by what they send in one vector", async (t) => {
  const folder = temporaryFolder(t);
  const config = writeConfiguration(folder, {
    ...PLAN,
    model: { tensors: { w: [1, 1] } },
    trainer: { id: "line", settings: { learningRate: 0.1, batchSize: 1, q: 1, curvatureScale: 0.1 } },
    strategy: { id: "q-fedavg", settings: { curvatureScale: 0.1 } },
  });
  const server = new ServeProcess(t, config, ["--exit-when-finished"]);
  const { address } = await server.listening();
  const people = devices(t, [address, folder, "q-fedavg", "all", ...DEVICES]);
  t.equal(await people.exit(), 0, people.log);
  t.equal(await server.exit(), 0, server.log);

  // q = 1, L = 10, from w = 0. Device 1: F = 9, L(θₖ − θ) = 6: 54 and h = 36 + 90. Device 2: 4, 8: 32 and 64 + 40. Device 3: 4, 4: 16
  // and 16 + 40. θ = 102/286.
  // r = 0.356643. Device 1: F = (3 − r)² = 6.987334, 2(3 − r) = 5.286713: 36.940033, 97.822681. Device 2: F = (2 − 2r)² = 1.655631,
  // 8 − 8r = 5.146853: 8.521290, 43.046408. Device 3: F = (2 − r)² = 2.700621, 2(2 − r) = 3.286713: 8.876167, 37.808695.
  near(t, (await released(config, folder, 2)).parameters, [0.356643 + 54.33749 / 178.677784], "θ after two");
});
