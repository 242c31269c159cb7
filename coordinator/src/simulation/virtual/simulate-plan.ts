import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { CoordinatorError } from "../../errors.js";
import type { LoadedPlan } from "../../plan/load.js";
import type { WrittenSimulation } from "../../plan/simulation-schema.js";
import { SeededRandom } from "../seeded-random.js";
import { type Dataset, loadDataset } from "./dataset.js";
import { DeviceThreads } from "./device-threads.js";
import { type RoundReport, VirtualFederation } from "./federation.js";
import type { Masks } from "./masks.js";
import type { TrainerKind } from "./messages.js";
import { partitionOf } from "./partition.js";
import { denseTopology } from "./topology.js";

/** What a simulation of virtual devices is started with. */
export interface VirtualSimulationOptions {
  readonly loaded: LoadedPlan;
  /** Folder that paths in the plan are relative to. */
  readonly folder: string;
  /** In place of what the plan's section says. */
  readonly devices?: number | undefined;
  readonly seed?: number | undefined;
  /** As many as the machine has cores, unless given. Nothing that comes out depends on it. */
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** Told before the first round. */
  readonly onStart?: ((masks: Masks | null) => void) | undefined;
  readonly onRound?: ((report: RoundReport) => void) | undefined;
}

/** What a simulation came to. All but the times is the same for the same plan and seed. */
export interface VirtualSimulation {
  readonly population: string;
  readonly seed: number;
  readonly devices: number;
  readonly poisonedDevices: number;
  readonly strategy: string;
  /** Whether the protocol of secure aggregation was run; null for a plan without. */
  readonly masks: Masks | null;
  readonly rounds: readonly RoundReport[];
  /** Of the last model, on the test examples; null where no round released one. */
  readonly accuracy: number | null;
  readonly loss: number | null;
  readonly epsilon: number | null;
  readonly delta: number | null;
  readonly unit: "participant" | "example";
  /** SHA-256 of the model's file, base64url. */
  readonly modelSha256: string;
  readonly model: Uint8Array;
  readonly threads: number;
  /** Devices whose part in a round was computed, and how many of those in a second of rounds. */
  readonly trainings: number;
  readonly devicesPerSecond: number;
  readonly seconds: number;
  /** Of all threads, in the same time. */
  readonly processorSeconds: number;
}

/**
 * Runs a plan's rounds with virtual devices in the threads of this process, reproducible bit for bit.
 *
 * @throws CoordinatorError BAD_PLAN, BAD_DATA, FILE_UNREADABLE, ROUND_FAILED, CANCELLED
 */
export async function simulatePlan(options: VirtualSimulationOptions): Promise<VirtualSimulation> {
  const { loaded, folder, signal } = options;
  const { plan } = loaded;
  if (plan.simulation === null) {
    throw new CoordinatorError("BAD_PLAN", "expected a section simulation in the plan, came none");
  }
  if (plan.analytics !== null) {
    throw new CoordinatorError("BAD_PLAN", "expected a plan that trains a model, came one that asks queries");
  }
  const simulation: WrittenSimulation = {
    ...plan.simulation,
    devices: options.devices ?? plan.simulation.devices,
    seed: options.seed ?? plan.simulation.seed,
  };
  const dataset = await loadDataset(simulation.data, simulation.seed);
  requireExamples(simulation, dataset);
  const topology = await topologyOf(simulation, dataset, folder);
  const poisoned = poisonedOf(simulation);
  const threads = options.threads ?? Math.min(availableParallelism(), 64);
  const { attack, scale } = simulation.poisoned;
  await using pool = new DeviceThreads(
    threads,
    {
      dataset,
      partition: partitionOf(dataset.train, simulation),
      topology,
      loss: simulation.loss,
      trainerId: plan.trainer.id,
      kind: trainerKind(plan.strategy.id),
      seed: simulation.seed,
      poisoned,
      attack,
      scale,
    },
    signal,
  );
  await pool.ready();
  const federation = new VirtualFederation({
    plan,
    simulation,
    threads: pool,
    poisoned,
    testExamples: dataset.test.labels.length,
  });
  options.onStart?.(federation.masks);
  const started = performance.now();
  const used = process.cpuUsage();
  const rounds: RoundReport[] = [];
  for await (const report of federation.rounds()) {
    rounds.push(report);
    options.onRound?.(report);
  }
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(used);
  const model = federation.model();
  const scored = rounds.findLast(({ accuracy }) => accuracy !== null);
  const trainings = rounds.reduce((sum, { submitted }) => sum + submitted, 0);
  return {
    population: plan.population,
    seed: simulation.seed,
    devices: simulation.devices,
    poisonedDevices: poisoned.reduce((sum, one) => sum + one, 0),
    strategy: plan.strategy.id,
    masks: federation.masks,
    rounds,
    accuracy: scored?.accuracy ?? null,
    loss: scored?.loss ?? null,
    epsilon: rounds.at(-1)?.epsilon ?? null,
    delta: plan.cap?.delta ?? null,
    unit: plan.privacy.unit,
    modelSha256: createHash("sha256").update(model).digest("base64url"),
    model,
    threads,
    trainings,
    devicesPerSecond: trainings / seconds,
    seconds,
    processorSeconds: (user + system) / 1e6,
  };
}

function requireExamples({ devices }: WrittenSimulation, { train }: Dataset): void {
  if (devices <= train.labels.length) return;
  throw new CoordinatorError(
    "BAD_PLAN",
    `simulation.devices: expected at most one device for each of ${train.labels.length} examples, came ${devices}`,
  );
}

async function topologyOf({ model, layers }: WrittenSimulation, { train }: Dataset, folder: string): Promise<unknown> {
  if (model === undefined) return denseTopology(train.width, layers, train.classes);
  const path = resolve(folder, model);
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CoordinatorError("FILE_UNREADABLE", `expected a model as JSON in ${path}, came "${reason}"`, { cause });
  }
}

/** Exactly the part that the section names, chosen by the seed. */
function poisonedOf({ devices, seed, poisoned: { fraction } }: WrittenSimulation): Uint8Array {
  const poisoned = new Uint8Array(devices);
  const chosen = new SeededRandom(seed, ["poisoned"]).permutation(devices).subarray(0, Math.round(devices * fraction));
  for (const device of chosen) poisoned[device] = 1;
  return poisoned;
}

function trainerKind(strategy: string): TrainerKind {
  return strategy === "scaffold" || strategy === "q-fedavg" ? strategy : "plain";
}
