import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary, type Message } from "@bufbuild/protobuf";
import { biasedFactorisationTrainer, type TrainingTask } from "@fedloop/client-runtime";
import { distributedMechanismOf, parseEntry, type RoundPlan } from "@fedloop/consent";
import { ArtifactStore, decodeSafetensors, openSqliteStore } from "@fedloop/coordinator";
import { demoJob, OUTPUT, Progress, runFederation, type SimulatedPerson } from "@fedloop/coordinator/simulation";
import type { DistributedMechanism } from "@fedloop/privacy";
import { Artifacts, Consent, Enrollment, methodPath, Rounds, Transparency } from "@fedloop/proto";
import { type RecordedCall, RecordingProxy } from "./recording-proxy.js";

/** Someone who took part, and what the test knows of it and nobody else shall. */
export interface Insight {
  readonly person: SimulatedPerson;
  /** Undefined for who refused. */
  readonly device: string | undefined;
  /** By round: what the trainer makes of this person's data. */
  readonly updates: ReadonlyMap<number, Float32Array>;
}

export interface CapturedRound {
  readonly round: number;
  readonly plan: RoundPlan;
  /** What devices rotate by. */
  readonly seed: Uint8Array;
  readonly mechanism: DistributedMechanism | null;
}

export interface CapturedRun {
  readonly calls: readonly RecordedCall[];
  /** By path. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly rounds: readonly CapturedRound[];
  readonly people: readonly Insight[];
  readonly verified: boolean;
}

export interface CaptureOptions {
  readonly out: string;
  /** All of them when it is left out. */
  readonly participants?: number;
  /** Of training, before the evaluation; the plan's number when it is left out. */
  readonly rounds?: number;
  /** Runs without any privacy, for this reason. */
  readonly reason?: string;
}

/** Runs the main job with a recorder between its devices and its coordinator, and keeps all traffic and files. */
export async function captureRun({ out, ...choice }: CaptureOptions): Promise<CapturedRun> {
  const job = await demoJob(choice);
  // In the file's order a person's place might go with the number of its ratings, and much goes with the place.
  const people = shuffled(job.people);
  const proxy = new RecordingProxy();
  const { report, subjects } = await runFederation({
    plan: job.plan,
    notice: job.notice,
    people,
    out,
    processes: 2,
    progress: new Progress({ quiet: true }),
    signal: new AbortController().signal,
    route: (address) => proxy.listen(address),
  });
  await proxy.close();
  const { devices, rounds, models } = await books(out);
  const insights = await Promise.all(
    people.map(async (person, i): Promise<Insight> => {
      const device = devices.get(subjects[i] ?? "");
      return { person, device, updates: await updatesOf(person, rounds, models) };
    }),
  );
  return { calls: proxy.calls, files: await filesUnder(out), rounds, people: insights, verified: report.ok };
}

/** Decodes a call's request by its method's schema. */
export function requestOf(call: RecordedCall): Message {
  const method = METHODS.get(call.path);
  if (method === undefined) throw new Error(`expected a method of fedloop.v1, came ${call.path}`);
  return fromBinary(method.input, call.request.subarray(5));
}

const METHODS = new Map(
  [Enrollment, Consent, Rounds, Artifacts, Transparency].flatMap((service) =>
    service.methods.map((method) => [methodPath(method), method] as const),
  ),
);

async function books(out: string) {
  const dataDir = join(out, OUTPUT.data);
  await using store = await openSqliteStore(join(dataDir, "fedloop.sqlite"));
  const artifacts = await ArtifactStore.open(join(dataDir, "artifacts"));
  const devices = new Map(
    (await store.db.selectFrom("devices").select(["device_id", "subject"]).execute()).map(
      ({ device_id, subject }) => [subject, Buffer.from(device_id).toString("base64url")] as const,
    ),
  );
  const rounds: CapturedRound[] = [];
  const models = new Map<number, Float32Array>();
  const rows = await store.db
    .selectFrom("rounds")
    .innerJoin("entries", "entries.index", "rounds.plan_index")
    .select(["rounds.round", "rounds.plan_hash", "rounds.model_in", "entries.bytes"])
    .orderBy("rounds.round")
    .execute();
  for (const row of rows) {
    const entry = parseEntry(row.bytes);
    if (entry.type !== "round.plan" || row.plan_hash === null || row.model_in === null)
      throw new Error("expected a plan for every round");
    const mechanism = distributedMechanismOf(entry.body);
    rounds.push({ round: row.round, plan: entry.body, seed: row.plan_hash, mechanism });
    models.set(row.round, decodeSafetensors(await artifacts.read(row.model_in)).parameters);
  }
  return { devices, rounds, models };
}

async function updatesOf(
  { ratings }: SimulatedPerson,
  rounds: readonly CapturedRound[],
  models: ReadonlyMap<number, Float32Array>,
): Promise<Map<number, Float32Array>> {
  const trainer = biasedFactorisationTrainer(ratings);
  const updates = new Map<number, Float32Array>();
  for (const { round, plan } of rounds) {
    const task: TrainingTask = {
      parameters: models.get(round) ?? new Float32Array(),
      manifest: [],
      settings: plan.trainer.settings,
      updateLength: plan.update.dimension ?? plan.update.length,
      state: { get: async () => undefined, put: async () => {} },
      signal: new AbortController().signal,
      onProgress: () => {},
    };
    updates.set(round, plan.kind === "train" ? (await trainer.train(task)).update : await trainer.evaluate(task));
  }
  return updates;
}

async function filesUnder(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)));
}

/** Always in the same order: by a multiplicative step through all places. */
function shuffled<Item>(items: readonly Item[]): Item[] {
  let step = Math.floor(items.length * 0.618) | 1;
  while (greatestDivisor(step, items.length) > 1) step += 2;
  return items.map((_, i) => items[(i * step) % items.length]).filter((item) => item !== undefined);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
