import { createReadStream } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { type VerificationReport, verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { CoordinatorError } from "../errors.js";
import { exportBundle } from "../ledger/export-bundle.js";
import { ArtifactStore } from "../models/artifact-store.js";
import { openSqliteReader } from "../store/sqlite-reader.js";

export interface OutcomeOptions {
  /** The coordinator's data folder; the coordinator has ended. */
  readonly dataDir: string;
  readonly population: string;
  readonly verifierKey: string;
  /** Where to put the bundle and the model. */
  readonly bundle: string;
  readonly model: string;
  readonly signal: AbortSignal;
}

export interface Outcome {
  readonly metrics: Readonly<Record<string, number>> | null;
  readonly epsilon: number | null;
  readonly report: VerificationReport;
  readonly bundle: string;
  readonly model: string;
}

/** Takes model and bundle out of a coordinator's data, and checks the bundle as an auditor who trusts nobody would. */
export async function collectOutcome(options: OutcomeOptions): Promise<Outcome> {
  const { dataDir, population, verifierKey, bundle, model, signal } = options;
  const database = join(dataDir, "fedloop.sqlite");
  await exportBundle({ database, verifierKey, path: bundle, signal });
  const report = await verifyBundle(createReadStream(bundle), {
    verifier: nodeVerifier(),
    trust: { vkey: verifierKey },
    signal,
  });
  await using store = openSqliteReader(database);
  const newest = await store.db
    .selectFrom("models")
    .select("sha256")
    .where("population", "=", population)
    .orderBy("round", "desc")
    .executeTakeFirst();
  if (newest === undefined) throw new CoordinatorError("ROUND_FAILED", "expected a model, no round released one");
  await copyFile((await ArtifactStore.open(join(dataDir, "artifacts"))).path(newest.sha256), model);
  const evaluated = await store.db
    .selectFrom("rounds")
    .select("metrics")
    .where("population", "=", population)
    .where("metrics", "is not", null)
    .orderBy("round", "desc")
    .executeTakeFirst();
  const metrics = evaluated?.metrics;
  const epsilon = report.populations.find((each) => each.population === population)?.epsilon;
  return {
    metrics: metrics === undefined || metrics === null ? null : JSON.parse(metrics),
    epsilon: epsilon === undefined || !Number.isFinite(epsilon) ? null : epsilon,
    report,
    bundle,
    model,
  };
}
