// Coordinators as processes on one PostgreSQL database, devices that know only a balancer, and faults at chosen moments.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ParticipationEvent } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { type VerificationReport, verifyBundle } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { connect } from "@nats-io/transport-node";
import type { Test } from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { ObjectStoreArtifacts } from "../../src/models/object-store-artifacts.js";
import { decodeSafetensors } from "../../src/models/safetensors.js";
import { openPostgresReader } from "../../src/store/postgres.js";
import type { NatsServer } from "../messaging/nats-server.js";
import { ORIGIN } from "../server/federation.js";
import { ConstantTrainer, joinAs, takePart } from "../server/people.js";
import type { PostgresServer } from "../store/postgres-server.js";
import { temporaryFolder } from "../temporary-folder.js";
import { within } from "../within.js";
import { type SharedLine, SharedProcess, type SharedSettings } from "./coordinator-process.js";
import { TcpFront } from "./tcp-front.js";

export interface LinesFromNow {
  readonly processes: readonly SharedProcess[];
  /** The first that is wanted, and whose it is. @param what names it, for who reads why the test failed */
  next(
    isWanted: (line: SharedLine) => boolean,
    what: string,
  ): Promise<{ readonly process: SharedProcess; readonly line: SharedLine }>;
}

/** Two coordinators, four devices, one database. */
export class SharedFederation {
  readonly folder: string;
  readonly balancer: TcpFront;
  readonly settings: Omit<SharedSettings, "name">;
  readonly processes: SharedProcess[] = [];
  readonly aggregators: ChildProcess[] = [];
  /** What each participant trains to, by its pseudonym. */
  readonly values: Map<string, number> = new Map<string, number>();
  readonly #postgres: PostgresServer;
  readonly #stop = new AbortController();
  #parts: Promise<ParticipationEvent[][]> = Promise.resolve([]);
  #started = 0;
  #holds = 0;
  /** Replacements that start while the round goes on without them; whoever looks at all processes waits for them first. */
  #starting: Promise<unknown> = Promise.resolve();

  private constructor(
    folder: string,
    balancer: TcpFront,
    settings: Omit<SharedSettings, "name">,
    postgres: PostgresServer,
  ) {
    this.folder = folder;
    this.balancer = balancer;
    this.settings = settings;
    this.#postgres = postgres;
  }

  static async start(
    t: Test,
    postgres: PostgresServer,
    options: Pick<SharedSettings, "rounds" | "leaseMs" | "plan" | "webhooks"> & { readonly nats?: NatsServer },
  ): Promise<SharedFederation> {
    const folder = temporaryFolder(t);
    const url = await postgres.database();
    const balancer = await TcpFront.open([]);
    const federation = new SharedFederation(
      folder,
      balancer,
      { ...options, folder, url, nats: options.nats?.url ?? null },
      postgres,
    );
    t.teardown(() => federation.#close());
    // Whoever starts first makes the keys; the others find them.
    await Promise.all([federation.add(), federation.add()]);
    if (options.nats !== undefined) await Promise.all([federation.addAggregator(), federation.addAggregator()]);
    return federation;
  }

  /** One more coordinator. */
  async add(): Promise<SharedProcess> {
    this.#started += 1;
    const settings = { ...this.settings, name: `c${this.#started}` };
    const added = await SharedProcess.start(settings, this.#postgres.port);
    this.processes.push(added);
    await added.line(({ port }) => port !== undefined);
    this.#balance();
    return added;
  }

  /** One more aggregator, as an operator starts it. */
  async addAggregator(): Promise<ChildProcess> {
    const config = join(this.folder, "aggregator.yaml");
    const nats = `nats: { servers: ["${this.settings.nats}"] }`;
    writeFileSync(config, `origin: ${ORIGIN}\nplans: [none.yaml]\nkeysDir: keys\n${nats}\nlog: { level: silent }\n`);
    const command = fileURLToPath(new URL("../../../bin/fedloop.js", import.meta.url));
    const words = [command, "serve", "--role", "aggregator", "--json", "--config", config];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    this.aggregators.push(child);
    const { stdout } = child;
    if (stdout === null) throw new Error("expected an aggregator's output");
    const started = async (): Promise<ChildProcess> => {
      for await (const line of createInterface({ input: stdout })) if (line.includes("aggregating")) return child;
      throw new Error("expected an aggregator to start");
    };
    return within(started(), () => "an aggregator to start");
  }

  /** Kills an aggregator and starts another one. */
  async replaceAggregator(victim: ChildProcess | undefined, meanwhile: () => void): Promise<void> {
    victim?.kill("SIGKILL");
    if (victim !== undefined && victim.exitCode === null) await new Promise((resolve) => victim.once("exit", resolve));
    this.aggregators.splice(victim === undefined ? -1 : this.aggregators.indexOf(victim), 1);
    meanwhile();
    this.#startMeanwhile(this.addAggregator());
  }

  get verifierKey(): string {
    return (
      this.processes.flatMap(({ lines }) => lines).find((line) => line.verifierKey !== undefined)?.verifierKey ?? ""
    );
  }

  /** Has the devices take part until there are no more rounds. */
  takePart(values: readonly number[]): void {
    const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
    this.#parts = Promise.all(
      values.map(async (value) => {
        const transport = grpcTransport({
          address: `127.0.0.1:${this.balancer.port}`,
        });
        try {
          const options = { trainer: new ConstantTrainer(value), secureAggregation: crypto };
          const participant = await joinAs(transport, options);
          this.values.set(participant.subject, value);
          return await takePart(participant, this.#stop.signal);
        } finally {
          transport.close();
        }
      }),
    );
    this.#parts.catch(() => undefined);
  }

  /** Waits until some coordinator leads a round into this state; it is then held there. */
  async leaderAt(state: string): Promise<{ readonly leader: SharedProcess; readonly round: number; letGo(): void }> {
    await this.#starting;
    this.#holds += 1;
    const go = join(this.folder, `go-${this.#holds}`);
    const since = this.linesFromNow();
    await Promise.all(since.processes.map((each) => each.hold(state, go)));
    const { process, line } = await since.next((line) => line.held === state, `a round that is held in ${state}`);
    return { leader: process, round: line.round ?? 0, letGo: () => writeFileSync(go, "") };
  }

  /** Kills a coordinator without a chance to tidy up, and starts another one. */
  async replace(victim: SharedProcess): Promise<void> {
    victim.kill();
    await victim.ended();
    this.#balance();
    this.#startMeanwhile(this.add());
  }

  /**
   * What the coordinators that run now, or some of them, print from now on.
   *
   * @param isMeant whose lines
   */
  linesFromNow(isMeant: (process: SharedProcess) => boolean = () => true): LinesFromNow {
    const processes = this.processes.filter((each) => !each.hasEnded && isMeant(each));
    const from = new Map(processes.map((each) => [each, each.lines.length]));
    return {
      processes,
      next: (isWanted, what) => {
        const lines = processes.map(async (process) => ({
          process,
          line: await process.line(isWanted, from.get(process), what),
        }));
        return within(Promise.race(lines), () => `${what}; ${processes.map(({ told }) => told).join("; ")}`);
      },
    };
  }

  #startMeanwhile(added: Promise<unknown>): void {
    const before = this.#starting;
    this.#starting = added.then(() => before);
    this.#starting.catch(() => undefined);
  }

  /** Waits until one more round has closed, stops the coordinators in order, and tells what the devices saw. */
  async stopAfterRound(): Promise<ParticipationEvent[][]> {
    await this.#starting;
    const since = this.linesFromNow();
    await since.next(({ state }) => state === "closed", "a round that closes");
    this.#stop.abort();
    for (const each of since.processes) each.kill("SIGTERM");
    await Promise.all(since.processes.map((each) => each.ended()));
    return within(this.#parts, () => "the devices to end");
  }

  /** What an auditor finds in the exported bundle, the rounds as the database has them, and the newest model. */
  async books(): Promise<{
    readonly report: VerificationReport;
    readonly rounds: readonly {
      readonly round: number;
      readonly state: string;
      readonly reason: string | null;
      /** Those whose update is in the sum. */
      readonly members: number;
      /** Their values together. */
      readonly sum: number;
      readonly hasModel: boolean;
    }[];
    readonly model: number | undefined;
  }> {
    const bundle = join(this.folder, "bundle.jsonl");
    const { url } = this.settings;
    await exportBundle({ database: { type: "postgres", url }, verifierKey: this.verifierKey, path: bundle });
    const report = await verifyBundle(createReadStream(bundle), {
      verifier: nodeVerifier(),
      trust: { vkey: this.verifierKey },
    });
    await using store = await openPostgresReader(url);
    const rounds = await store.db
      .selectFrom("rounds")
      .select(["round", "state", "reason", "model_out"])
      .orderBy("round")
      .execute();
    const submitted = await store.db
      .selectFrom("participants")
      .select(["round", "subject"])
      .where("state", "=", "submitted")
      .execute();
    const { sha256 } = await store.db
      .selectFrom("models")
      .select("sha256")
      .orderBy("round", "desc")
      .executeTakeFirstOrThrow();
    const model = await this.#model(sha256);
    return {
      report,
      rounds: rounds.map(({ model_out, ...row }) => {
        const members = submitted.filter(({ round }) => round === row.round);
        const sum = members.reduce((sum, { subject }) => sum + (this.values.get(subject) ?? Number.NaN), 0);
        return { ...row, members: members.length, sum, hasModel: model_out !== null };
      }),
      model: decodeSafetensors(model).parameters[0],
    };
  }

  /** From the folder that the coordinators share, or from the object store, as a coordinator that never saw it. */
  async #model(sha256: Uint8Array): Promise<Uint8Array> {
    const { nats } = this.settings;
    const folder = await ArtifactStore.open(join(this.folder, nats === null ? "artifacts" : "reader"), {
      isShared: true,
    });
    if (nats === null) return folder.read(sha256);
    const connection = await connect({ servers: nats });
    try {
      const bucket = `fedloop-${createHash("sha256").update(ORIGIN).digest("hex").slice(0, 16)}`;
      return await (await ObjectStoreArtifacts.open(connection, bucket, folder)).read(sha256);
    } finally {
      await connection.close();
    }
  }

  #balance(): void {
    this.balancer.ports = this.processes.flatMap(({ port }) => port ?? []);
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#starting.catch(() => undefined);
    for (const each of this.aggregators) each.kill("SIGKILL");
    for (const each of this.processes) {
      each.kill();
      await each.ended();
    }
    this.balancer.close();
    await this.#parts.catch(() => undefined);
  }
}
