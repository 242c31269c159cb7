import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "@fedloop/client-runtime";
import { compiledLocalModel, layersTrainer } from "@fedloop/client-runtime/simulation";
import { parsePlan } from "@fedloop/coordinator";
import {
  denseTopology,
  type LabelledData,
  loadDataset,
  partitionOf,
  simulatePlan,
} from "@fedloop/coordinator/simulation";

/** What to time. */
export interface SimulateBenchmarkOptions {
  readonly rounds: number;
  readonly cohort: number;
  readonly threads: number;
}

const DEVICES = 1_000;
const SEED = 1;
const SETTINGS = { learningRate: "0.1", epochs: 2, batchSize: 20 };
const MANIFEST = [[784, 64], [64], [64, 10], [10]].map((shape, i) => ({ name: `tensor${i}`, shape }));

/** The three ways in which updates travel. */
const CASES = {
  plain:
    "privacy: { mechanism: none, reason: a benchmark }\nsecureAggregation: { enabled: false, reason: a benchmark }\n",
  "central noise":
    "policy: { epsilon: 1000, delta: 1.0e-5 }\nprivacy: { mechanism: central-discrete-gaussian, noiseMultiplier: 1 }\nsecureAggregation: { enabled: false, reason: a benchmark }\n",
  "masked, noise on devices":
    "policy: { epsilon: 1000, delta: 1.0e-5 }\nprivacy: { mechanism: distributed-discrete-gaussian, noiseMultiplier: 1, bits: 24 }\n",
} as const;

function plan({ rounds, cohort }: SimulateBenchmarkOptions, privacy: string): string {
  return `
population: bench
controller: Example Shop
purpose: clothes-recognition
notice: { file: notice.md }
language: en
dataCategories: [pictures]
model: { tensors: { kernel0: [784, 64], bias0: [64], kernel1: [64, 10], bias1: [10] }, init: glorot-uniform }
trainer: { id: clothes, settings: ${JSON.stringify(SETTINGS)} }
rounds: ${rounds}
cohort: { target: ${cohort}, overSelection: 1 }
simulation: { devices: ${DEVICES}, seed: ${SEED}, data: { type: fashion-mnist }, layers: [64] }
${privacy}`;
}

/**
 * Simulated devices a second of processor time through whole rounds, scoring included, beside the same training without a round
 * around it, in the same process.
 */
export async function simulateBenchmark(options: SimulateBenchmarkOptions): Promise<readonly object[]> {
  const bare = await bareTraining(options.rounds * options.cohort);
  const folder = await mkdtemp(join(tmpdir(), "fedloop-bench-"));
  try {
    await writeFile(join(folder, "notice.md"), "Your pictures stay with you.");
    const results: object[] = [];
    for (const [name, privacy] of Object.entries(CASES)) {
      const loaded = await parsePlan("plan.yaml", plan(options, privacy), folder);
      const { threads } = options;
      const result = await simulatePlan({ loaded, folder, threads, signal: new AbortController().signal });
      const devicesPerProcessorSecond = result.trainings / result.processorSeconds;
      results.push({
        benchmark: "simulate",
        case: name,
        ...options,
        devices: result.trainings,
        devicesPerSecond: round(result.devicesPerSecond),
        devicesPerProcessorSecond: round(devicesPerProcessorSecond),
        bareDevicesPerProcessorSecond: round(bare),
        ofBare: Math.round((100 * devicesPerProcessorSecond) / bare) / 100,
        accuracy: result.accuracy,
      });
    }
    return results;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Devices a second of processor time with nothing but the compiled engine's steps. */
async function bareTraining(trainings: number): Promise<number> {
  const { train } = await loadDataset({ type: "fashion-mnist", folder: "/usr/share/datasets/fashion-mnist" }, SEED);
  const { starts, rows } = partitionOf(train, {
    devices: DEVICES,
    seed: SEED,
    partition: { type: "dirichlet", alpha: 0.5 },
  });
  const model = compiledLocalModel({ topology: denseTopology(784, [64], 10), loss: "categoricalCrossentropy" });
  const store = memoryStore();
  const parameters = new Float32Array(784 * 64 + 64 + 64 * 10 + 10).fill(0.01);
  const trainers = Array.from({ length: Math.min(trainings, DEVICES) }, (_, device) =>
    layersTrainer({
      id: "clothes",
      open: async () => model,
      examples: examplesOf(train, rows.subarray(starts[device], starts[device + 1])),
    }),
  );
  const used = process.cpuUsage();
  for (let i = 0; i < trainings; i++) {
    await trainers[i % trainers.length]?.train({
      parameters,
      manifest: MANIFEST,
      settings: SETTINGS,
      updateLength: parameters.length,
      state: { get: (key) => store.get(key), put: (key, bytes) => store.put(key, bytes) },
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
  }
  const { user, system } = process.cpuUsage(used);
  return (1e6 * trainings) / (user + system);
}

function examplesOf({ features, divisor, width, labels, classes }: LabelledData, rows: Uint32Array) {
  const values = new Float32Array(rows.length * width);
  const targets = new Float32Array(rows.length * classes);
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j < width; j++) values[i * width + j] = (features[row * width + j] ?? 0) / divisor;
    targets[i * classes + (labels[row] ?? 0)] = 1;
  }
  return { features: values, featureShape: [width], labels: targets, labelShape: [classes] };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
