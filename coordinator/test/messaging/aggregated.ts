// Eight people, a coordinator and two aggregators in this process, on a message server.
import { join } from "node:path";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { inlineUnmaskEngine, type UnmaskEngine } from "@fedloop/privacy/secagg";
import { nodeDeviceCrypto, nodeUnmaskCrypto } from "@fedloop/privacy/secagg/node";
import { connect } from "@nats-io/transport-node";
import type { Test } from "tap";
import { AggregatorProcess } from "../../src/messaging/aggregator-process.js";
import { loadClusterKey } from "../../src/server/keys.js";
import { Federation, ORIGIN } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { temporaryFolder } from "../temporary-folder.js";
import type { NatsServer } from "./nats-server.js";

export const VALUES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128].map((value) => value / 4);
const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });

export interface Worker {
  /** Groups that it has unmasked. */
  readonly unmasked: () => number;
  /** Ends it in order. */
  drain(): Promise<void>;
  /** Ends it as a crash would: nobody is told. */
  die(): Promise<void>;
}

async function worker(server: NatsServer, name: string, secret: Uint8Array): Promise<Worker> {
  const connection = await connect({ servers: server.url });
  const inline = inlineUnmaskEngine(nodeUnmaskCrypto());
  let unmasked = 0;
  let dying: Promise<void> | undefined;
  const engine: UnmaskEngine = {
    async run(work, signal) {
      // From the word on, however quick the round is: nothing that it works out reaches anybody.
      await dying;
      unmasked += 1;
      return inline.run(work, signal);
    },
  };
  const options = { connection, origin: ORIGIN, name, secret, engine, onFault: () => undefined };
  const aggregator = await AggregatorProcess.open(options);
  return {
    unmasked: () => unmasked,
    drain: () => aggregator.drain(60_000),
    async die() {
      dying ??= connection.close();
      await dying;
      await aggregator[Symbol.asyncDispose]();
    },
  };
}

export interface Aggregated {
  readonly federation: Federation;
  readonly workers: readonly Worker[];
  /** What each person was told, once there are no more rounds. */
  readonly parts: readonly Promise<unknown>[];
  /** Σ of those that the ledger says are in a round's sum, over the plan's divisor. */
  sums(): Promise<readonly { readonly round: number; readonly members: number; readonly mean: number }[]>;
}

/** Eight people in two groups, and two aggregators. */
export async function aggregated(t: Test, rounds: number, server: NatsServer): Promise<Aggregated> {
  const dataDir = temporaryFolder(t);
  const secret = await loadClusterKey(join(dataDir, "keys"));
  const workers = [await worker(server, "one", secret), await worker(server, "two", secret)];
  t.teardown(() => Promise.all(workers.map((each) => each.die())));
  const federation = await Federation.open(t, {
    dataDir,
    nats: { servers: [server.url] },
    plan: {
      rounds,
      cohort: { target: 8, minimum: 4, overSelection: 1 },
      privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
      secureAggregation: { enabled: true, groupTarget: 4 },
    },
  });
  const people = await Promise.all(
    VALUES.map((value) => federation.join({ trainer: new ConstantTrainer(value), secureAggregation: crypto })),
  );
  const parts = people.map((person) => federation.takePart(person));
  const sums = async () => {
    const trainedBy = new Map(people.map((person, i) => [person.subject, VALUES[i] ?? 0]));
    return [...(await federation.cohorts())].map(([round, subjects]) => ({
      round,
      members: subjects.length,
      mean: subjects.reduce((sum, subject) => sum + (trainedBy.get(subject) ?? Number.NaN), 0) / VALUES.length,
    }));
  };
  return { federation, workers, parts, sums };
}
