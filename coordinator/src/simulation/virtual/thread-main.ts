/** A thread of a simulation: trains the devices that are its own, one after the other, and scores the model. */
import { parentPort, workerData } from "node:worker_threads";
import { ClientError, type LocalState, type VerifiedPlan } from "@fedloop/client-runtime";
import {
  compiledLocalModel,
  type Examples,
  type LayersTrainer,
  layersTrainer,
  qFedAvgTrainer,
  type SimulatedModel,
  scaffoldTrainer,
  simulatedPlan,
  simulatedUpdate,
} from "@fedloop/client-runtime/simulation";
import { SeededRandom } from "../seeded-random.js";
import type { LabelledData } from "./dataset.js";
import { maskedSum } from "./masked-group.js";
import type { FromThread, GroupTask, RoundTask, ThreadSetting, ToThread } from "./messages.js";
import { flipsLabels, poisonUpdate } from "./poison.js";

const setting: ThreadSetting = workerData;
const { dataset, partition, topology, loss, trainerId, kind, seed, poisoned, attack, scale } = setting;

/** One compiled model serves all devices of the thread, one at a time. */
const model = compiledLocalModel({ topology, loss });
const never = new AbortController().signal;
const states = new Map<number, LocalState>();

function tell(message: FromThread, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function stateOf(device: number): LocalState {
  const known = states.get(device);
  if (known !== undefined) return known;
  const kept = new Map<string, Uint8Array>();
  const state: LocalState = {
    get: async (key) => kept.get(key),
    put: async (key, bytes) => {
      kept.set(key, bytes);
    },
  };
  states.set(device, state);
  return state;
}

/** @param isFlipped whether each label c is told as the one that is as far from the other end */
function examplesOf(data: LabelledData, rows: Uint32Array, isFlipped: boolean): Examples {
  const { features, divisor, width, labels, classes } = data;
  const values = new Float32Array(rows.length * width);
  const targets = new Float32Array(rows.length * classes);
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j < width; j++) values[i * width + j] = (features[row * width + j] ?? 0) / divisor;
    const label = labels[row] ?? 0;
    targets[i * classes + (isFlipped ? classes - 1 - label : label)] = 1;
  }
  return { features: values, featureShape: [width], labels: targets, labelShape: [classes] };
}

function trainerFor(device: number): LayersTrainer {
  const rows = partition.rows.subarray(partition.starts[device], partition.starts[device + 1]);
  const examples = examplesOf(dataset.train, rows, poisoned[device] === 1 && flipsLabels(attack));
  const options = { id: trainerId, examples, open: async () => model };
  if (kind === "scaffold") return scaffoldTrainer(options);
  return kind === "q-fedavg" ? qFedAvgTrainer(options) : layersTrainer(options);
}

async function train(
  { body, leafHash, manifest, parameters, stale }: RoundTask,
  devices: readonly number[],
): Promise<void> {
  const plan = simulatedPlan(body, leafHash);
  for (const device of devices) {
    const isPoisoned = poisoned[device] === 1 && body.kind === "train";
    const old = stale.get(device);
    const model = { parameters: old?.parameters ?? parameters, manifest };
    const update = await updateOf(plan, model, { device, isPoisoned, staleModel: old?.sha256 });
    tell({ type: "update", device, update }, update?.buffer instanceof ArrayBuffer ? [update.buffer] : []);
  }
  tell({ type: "done" });
}

/** What a device sends; null where its training came to values that are not finite. */
async function updateOf(
  plan: VerifiedPlan,
  model: SimulatedModel,
  { device, isPoisoned, staleModel }: { device: number; isPoisoned: boolean; staleModel: string | undefined },
): Promise<Uint8Array | Int32Array | null> {
  try {
    return await simulatedUpdate(plan, model, {
      trainer: trainerFor(device),
      state: stateOf(device),
      random: new SeededRandom(seed, ["device", device, plan.round]),
      signal: never,
      staleModel,
      poison: isPoisoned
        ? (trained) => poisonUpdate(trained, attack, scale, new SeededRandom(seed, ["poison", device, plan.round]))
        : undefined,
    });
  } catch (cause) {
    if (cause instanceof ClientError && cause.code === "NON_FINITE") return null;
    throw cause;
  }
}

/** Test examples scored at a time. */
const SCORED = 256;

async function score({ manifest, parameters, from, to }: Extract<ToThread, { type: "score" }>): Promise<void> {
  model.start(parameters, manifest, { optimiser: { type: "sgd", learningRate: 0 }, batchSize: SCORED });
  let loss = 0;
  let right = 0;
  for (let start = from; start < to; start += SCORED) {
    const rows = Uint32Array.from({ length: Math.min(SCORED, to - start) }, (_, i) => start + i);
    const scored = await model.score(
      examplesOf(dataset.test, rows, false),
      rows.map((_, i) => i),
    );
    loss += scored.loss;
    right += scored.right;
  }
  tell({ type: "scored", loss, right });
}

/** One group's devices and its coordinator, through the protocol. */
async function sum({ body, leafHash, group, answered, vectors }: GroupTask): Promise<void> {
  const { secure } = simulatedPlan(body, leafHash);
  const random = new SeededRandom(seed, ["graph", body.round, group]);
  const summed = secure === null ? undefined : await maskedSum(secure, answered, vectors, random, never);
  tell({ type: "summed", sum: summed ?? null });
}

function done(message: ToThread): Promise<void> {
  if (message.type === "train") return train(message.task, message.devices);
  return message.type === "sum" ? sum(message.task) : score(message);
}

parentPort?.on("message", (message: ToThread) => {
  done(message).catch((cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "INTERNAL";
    tell({ type: "failed", code, message: cause instanceof Error ? cause.message : String(cause) });
  });
});
tell({ type: "ready" });
