import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import { setBackend } from "@tensorflow/tfjs-core";
import { layers, loadLayersModel, sequential } from "@tensorflow/tfjs-layers";
import t from "tap";
import { decodeSafetensors } from "../../src/models/safetensors.js";
import { HTTP } from "../admin/api.js";
import { fromFolder } from "../models/from-folder.js";
import { Federation } from "../server/federation.js";
import { type PlanChanges, POPULATION } from "../server/plans.js";
import { typedFor } from "./typed.js";

async function trained(federation: Federation): Promise<void> {
  const people = await Promise.all([1, 2, 3].map(() => federation.join()));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
}

t.test("models are listed, promoted and rolled back, whether the coordinator runs or not", async (t) => {
  const federation = await Federation.open(t, { plan: { rounds: 2, release: "manual" }, http: HTTP });
  await trained(federation);
  t.match((await typedFor(federation, "models", "list")).body, {
    models: [
      { round: 1, stage: "candidate" },
      { round: 2, stage: "candidate" },
    ],
  });
  const promoted = await typedFor(federation, "models", "promote", POPULATION, "1", "--canary", "5");
  t.match(promoted, { exitCode: 0, body: { models: [{ stage: "canary", sharePercent: 5 }, {}] } }, promoted.err);
  t.equal((await federation.entries("model.stage")).length, 1, "the coordinator that runs has done it");
  t.strictSame(
    (await federation.coordinator.accessTokens.list()).map(({ state }) => state),
    ["revoked"],
    "the token of the command is good for nothing any more",
  );
  const refused = await typedFor(federation, "models", "promote", POPULATION, "9");
  t.match(refused, { exitCode: 1, err: /"NOT_FOUND"/ });

  await federation.close();
  t.match((await typedFor(federation, "models", "promote", POPULATION, "2")).body, { models: [{}, { stage: "live" }] });
  t.match((await typedFor(federation, "models", "rollback", POPULATION, "2")).body, {
    models: [{}, { stage: "rolled-back" }],
  });
  const shown = await typedFor(federation, "models", "show", POPULATION, "2");
  t.match(shown.body, {
    model: { round: 2, stage: "rolled-back" },
    lineage: { plan: { index: Number }, stages: [{}, {}] },
  });
  t.match(await typedFor(federation, "models", "list", "nobody"), { exitCode: 1, err: /"UNKNOWN_POPULATION"/ });
});

t.test("an export is the file that the ledger names; the layers format asks for the layers", async (t) => {
  const federation = await Federation.open(t);
  await trained(federation);
  const out = join(federation.folder, "out", "model.safetensors");
  const exported = await typedFor(federation, "models", "export", POPULATION, "1", "--out", out);
  t.equal(exported.exitCode, 0, exported.err);
  t.strictSame([...decodeSafetensors(readFileSync(out)).parameters], await federation.model());
  const folder = join(federation.folder, "tfjs");
  const without = await typedFor(federation, "models", "export", POPULATION, "1", "--format", "tfjs", "--out", folder);
  t.match(without, { exitCode: 2, err: /--topology/ });
  const topology = join(federation.folder, "topology.json");
  writeFileSync(topology, JSON.stringify({ class_name: "Sequential", config: { layers: [{ class_name: "Dense" }] } }));
  const wrong = await typedFor(
    federation,
    ...["models", "export", POPULATION, "1", "--format", "tfjs", "--out", folder, "--topology", topology],
  );
  t.match(wrong, { exitCode: 3, err: /"BAD_DATA"/ });
});

const TENSORS = { kernel: [2, 1], bias: [1] };
const PLANS: readonly (readonly [string, PlanChanges])[] = [
  ["a model", { model: { tensors: TENSORS } }],
  [
    "SCAFFOLD's model, without the control variate behind it",
    {
      model: { tensors: { ...TENSORS, "variate.kernel": [2, 1], "variate.bias": [1] } },
      strategy: { id: "scaffold", settings: { devices: 3 } },
    },
  ],
];

for (const [what, plan] of PLANS) {
  t.test(`TensorFlow.js loads what the layers export writes of ${what}`, async (t) => {
    await setBackend("cpu");
    const built = sequential({ layers: [layers.dense({ name: "out", inputShape: [2], units: 1 })] });
    const federation = await Federation.open(t, { plan });
    await trained(federation);
    const topology = join(federation.folder, "topology.json");
    writeFileSync(topology, JSON.stringify(built.toJSON(null, false)));
    const folder = join(federation.folder, "out", "tfjs");
    const exported = await typedFor(
      federation,
      ...["models", "export", POPULATION, "1", "--format", "tfjs", "--out", folder, "--topology", topology],
    );
    const files = [join(folder, "model.json"), String];
    t.match(exported, { exitCode: 0, body: { format: "tfjs", files } }, exported.err);
    const loaded = await loadLayersModel(fromFolder(folder));
    const weights = loaded.getWeights().flatMap((weight) => [...weight.dataSync()]);
    t.strictSame(weights, (await federation.model()).slice(0, 3));
    t.ok(weights.every((weight) => weight !== 0));
  });
}
