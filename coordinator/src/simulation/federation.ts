import { existsSync } from "node:fs";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import type { VerificationReport } from "@fedloop/consent";
import { stringify } from "yaml";
import { CoordinatorError } from "../errors.js";
import { loadPlan } from "../plan/load.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import type { ServeEvent } from "../server/serve.js";
import type { FromWorker, SimulatedPerson } from "./messages.js";
import { collectOutcome } from "./outcome.js";
import type { Progress } from "./progress.js";
import { ServerProcess } from "./server-process.js";
import { roundName } from "./summary.js";
import { runWorkers } from "./workers.js";

/** Name of the log that a simulation's coordinator keeps. */
const ORIGIN = "fedloop.local/simulation";

/** What a simulation leaves in its output folder; a former one's are removed first. */
export const OUTPUT = {
  plan: "plan.yaml",
  config: "fedloop.yaml",
  data: "coordinator",
  /** Beside the data, where a configuration that names none has it: keys of a run before would fit no data of this one. */
  vault: "coordinator-vault",
  model: "model.safetensors",
  bundle: "audit-bundle.jsonl",
} as const;

export interface FederationOptions {
  /** The plan file's text; it names its notice as `notice` is called. */
  readonly plan: string;
  /** Path of the notice. */
  readonly notice: string;
  readonly people: readonly SimulatedPerson[];
  readonly out: string;
  /** Processes that hold participants. */
  readonly processes: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Puts something between participants and coordinator: from the coordinator's address to the one that they call. */
  readonly route?: ((address: string) => Promise<string>) | undefined;
}

export interface FederationResult {
  readonly plan: PopulationPlan;
  readonly consented: number;
  readonly refusals: ReadonlyMap<string, number>;
  /** The pseudonyms of `people`, in their order; undefined for who never came so far. */
  readonly subjects: readonly (string | undefined)[];
  /** Rounds that were closed: training, evaluation. */
  readonly rounds: { readonly trained: number; readonly evaluated: number; readonly abandoned: number };
  readonly metrics: Readonly<Record<string, number>> | null;
  /** The population's ε as the ledger claims it; null without differential privacy. */
  readonly epsilon: number | null;
  readonly report: VerificationReport;
  /** Absolute paths. */
  readonly bundle: string;
  readonly model: string;
  readonly peakServerMb: number;
}

/**
 * Runs a whole federation on this machine: a coordinator in a process of its own, participants in worker processes,
 * real gRPC between them; then exports the audit bundle and verifies it as an auditor would.
 *
 * @throws CoordinatorError BAD_PLAN, ROUND_FAILED, CANCELLED …
 */
export async function runFederation(options: FederationOptions): Promise<FederationResult> {
  const { out, progress, people } = options;
  requireNotStopped(options.signal);
  const config = await prepare(options);
  const { plan } = await loadPlan(join(out, OUTPUT.plan));
  const rounds = { trained: 0, evaluated: 0, abandoned: 0 };
  const refusals = new Map<string, number>();
  const subjects: (string | undefined)[] = people.map(() => undefined);
  let consented = 0;
  const stuck = new AbortController();
  const signal = AbortSignal.any([options.signal, stuck.signal]);
  const server = new ServerProcess({
    config,
    onEvent: (event) => {
      // What becomes of a round while all is being stopped is nothing to read.
      if (signal.aborted) return;
      tellRound(event, progress, { rounds, refusals }, plan);
      if (event.event === "paused") stuck.abort(pausedAfter(event));
    },
  });
  const stop = (): void => server.stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    requireNotStopped(signal);
    const { address, verifierKey } = await server.first("listening");
    const called = options.route === undefined ? address : await options.route(address);
    progress.step(`${people.length} participants enroll and decide`, people.length);
    await runWorkers({
      start: {
        type: "start",
        address: called,
        population: plan.population,
        purpose: plan.purpose,
        log: { origin: ORIGIN, verifierKey },
        privacy: {
          allowNone: plan.privacy.mechanism === "none",
          allowExampleUnit: plan.privacy.unit === "example",
          maxEpsilon: plan.cap?.epsilon ?? Number.MAX_VALUE,
          secureAggregation: plan.secureAggregation.enabled,
        },
      },
      people,
      processes: options.processes,
      signal,
      onMessage: (message) => {
        if (message.type === "decided") {
          subjects[message.person] = message.subject;
          if (message.decision === "give") consented += 1;
        }
        count(message, progress, refusals);
      },
    });
    await server.first("finished");
    server.stop();
    const { peakServerMb } = await server.first("stopped");
    progress.step("The audit bundle is exported and verified");
    const outcome = await collectOutcome({
      dataDir: join(out, OUTPUT.data),
      population: plan.population,
      bundle: join(out, OUTPUT.bundle),
      model: join(out, OUTPUT.model),
      verifierKey,
      signal,
    });
    progress.end();
    return { plan, consented, refusals, subjects, rounds, peakServerMb, ...outcome };
  } catch (cause) {
    throw stuck.signal.aborted ? stuck.signal.reason : cause;
  } finally {
    signal.removeEventListener("abort", stop);
    progress.end();
    server.stop();
  }
}

function requireNotStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new CoordinatorError("CANCELLED", "stopped before the end");
}

/** Writes plan, notice and configuration where the coordinator will read them. @returns path of the configuration */
async function prepare({ out, plan, notice, progress }: FederationOptions): Promise<string> {
  await mkdir(out, { recursive: true });
  const former = Object.values(OUTPUT)
    .map((name) => join(out, name))
    .filter((path) => existsSync(path));
  if (former.length > 0)
    progress.step(`What an earlier run left in ${relative(process.cwd(), out) || "."} is replaced`);
  await Promise.all(former.map((path) => rm(path, { recursive: true, force: true })));
  await copyFile(notice, join(out, basename(notice)));
  await writeFile(join(out, OUTPUT.plan), plan);
  const config = join(out, OUTPUT.config);
  const settings = {
    origin: ORIGIN,
    dataDir: OUTPUT.data,
    vaultDir: OUTPUT.vault,
    listen: { host: "127.0.0.1", port: 0 },
    plans: [OUTPUT.plan],
    log: { level: "warn" },
  };
  await writeFile(config, stringify(settings));
  return config;
}

function pausedAfter({ failures, lastReason }: Extract<ServeEvent, { event: "paused" }>): CoordinatorError {
  return new CoordinatorError(
    "ROUND_FAILED",
    `expected rounds to close, ${failures} in a row were abandoned, the last one with ${lastReason}`,
  );
}

function count(message: FromWorker, progress: Progress, refusals: Map<string, number>): void {
  if (message.type === "decided" || message.type === "accepted") progress.add();
  if (message.type === "refused" || message.type === "failed") {
    refusals.set(message.code, (refusals.get(message.code) ?? 0) + 1);
  }
}

function tellRound(
  event: ServeEvent,
  progress: Progress,
  {
    rounds,
    refusals,
  }: { rounds: { trained: number; evaluated: number; abandoned: number }; refusals: Map<string, number> },
  plan: PopulationPlan,
): void {
  if (event.event !== "round") return;
  const name = roundName(event);
  if (event.state === "selecting") progress.meanwhile(`${name}: devices verify its plan and join`);
  if (event.state === "keys") progress.meanwhile(`${name}: devices exchange keys for their masks`);
  if (event.state === "masked") progress.step(`${name} collects updates`, plan.cohort.target);
  if (event.state === "abandoned") {
    rounds.abandoned += 1;
    const why = [...refusals].map(([code, devices]) => `, ${devices} refused or failed with ${code}`).join("");
    progress.step(`${name} was abandoned: ${event.reason}${why}`);
  }
  if (event.state === "closed") {
    if (event.kind === "train") rounds.trained += 1;
    else rounds.evaluated += 1;
  }
}
