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
import type { WebhookEndpoint } from "../../src/webhooks/sender.js";
import type { NatsServer } from "../messaging/nats-server.js";
import { ORIGIN } from "../server/federation.js";
import { ConstantTrainer, joinAs, takePart } from "../server/people.js";
import type { PlanChanges } from "../server/plans.js";
import type { PostgresServer } from "../store/postgres-server.js";
import { temporaryFolder } from "../temporary-folder.js";
import { TcpFront } from "./tcp-front.js";

/** What `shared-process.ts` is started with. */
export interface SharedSettings {
  readonly name: string;
  /** What the coordinators share, and a folder of each one's own in it. */
  readonly folder: string;
  readonly url: string;
  readonly rounds: number;
  readonly leaseMs: number;
  /** Message servers; null for none. */
  readonly nats: string | null;
  /** Sections of the plan. */
  readonly plan: PlanChanges;
  /** Who is told; nobody unless given. */
  readonly webhooks?: readonly WebhookEndpoint[];
}

/** What it prints. */
export interface SharedLine {
  readonly port?: number;
  readonly verifierKey?: string;
  readonly state?: string;
  readonly round?: number;
  readonly reason?: string | null;
  readonly held?: string;
  readonly holding?: string;
  readonly fault?: string;
  readonly where?: string;
}

/** One coordinator process, with a wire of its own to the database. */
export class SharedProcess {
  readonly name: string;
  readonly wire: TcpFront;
  readonly lines: SharedLine[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  private constructor(name: string, wire: TcpFront, child: ChildProcess) {
    this.name = name;
    this.wire = wire;
    this.#child = child;
    const wake = (): void => {
      for (const each of [...this.#waiting]) each();
    };
    const { stdout } = child;
    if (stdout !== null) {
      createInterface({ input: stdout }).on("line", (line) => {
        if (process.env.FEDLOOP_TEST_TRACE !== undefined) process.stderr.write(`${name} ${line}\n`);
        this.lines.push(JSON.parse(line));
        wake();
      });
    }
    child.once("close", () => {
      this.#ended = true;
      wake();
    });
  }

  static async start(settings: SharedSettings, postgresPort: number): Promise<SharedProcess> {
    const wire = await TcpFront.open([postgresPort]);
    const url = settings.url.replace(`:${postgresPort}/`, `:${wire.port}/`);
    const script = fileURLToPath(new URL("./shared-process.js", import.meta.url));
    const child = spawn(process.execPath, [script, JSON.stringify({ ...settings, url })], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    return new SharedProcess(settings.name, wire, child);
  }

  /** Whether a lease's holder is this process. */
  isHolder(holder: string): boolean {
    return holder.includes(`-${this.#child.pid}-`);
  }

  get port(): number | undefined {
    return this.#ended ? undefined : this.lines.find(({ port }) => port !== undefined)?.port;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** The next line that is wanted, from line `from` on. */
  async line(isWanted: (line: SharedLine) => boolean, from = 0): Promise<SharedLine> {
    for (;;) {
      const found = this.lines.slice(from).find(isWanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`coordinator ${this.name} ended: ${JSON.stringify(this.lines.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** Stops dead when a round next reaches the state. @param go the file that lets it go on */
  async hold(state: string, go: string): Promise<void> {
    const from = this.lines.length;
    this.#child.stdin?.write(`${JSON.stringify({ state, go })}\n`);
    await this.line(({ holding }) => holding === state, from);
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#ended) resolve();
      else this.#child.once("close", () => resolve());
    });
    this.wire.close();
  }
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
    for await (const line of createInterface({ input: stdout })) if (line.includes("aggregating")) return child;
    throw new Error("expected an aggregator to start");
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
    const running = this.processes.filter(({ hasEnded }) => !hasEnded);
    const from = new Map(running.map((each) => [each, each.lines.length]));
    await Promise.all(running.map((each) => each.hold(state, go)));
    const held = await Promise.race(
      running.map(async (leader) => ({
        leader,
        line: await leader.line((line) => line.held === state, from.get(leader)),
      })),
    );
    return { leader: held.leader, round: held.line.round ?? 0, letGo: () => writeFileSync(go, "") };
  }

  /** Kills a coordinator without a chance to tidy up, and starts another one. */
  async replace(victim: SharedProcess): Promise<void> {
    victim.kill();
    await victim.ended();
    this.#balance();
    this.#startMeanwhile(this.add());
  }

  #startMeanwhile(added: Promise<unknown>): void {
    const before = this.#starting;
    this.#starting = added.then(() => before);
    this.#starting.catch(() => undefined);
  }

  /** Waits until one more round has closed, stops the coordinators in order, and tells what the devices saw. */
  async stopAfterRound(): Promise<ParticipationEvent[][]> {
    await this.#starting;
    const running = this.processes.filter(({ hasEnded }) => !hasEnded);
    const from = new Map(running.map((each) => [each, each.lines.length]));
    await Promise.race(running.map((each) => each.line(({ state }) => state === "closed", from.get(each))));
    this.#stop.abort();
    for (const each of running) each.kill("SIGTERM");
    await Promise.all(running.map((each) => each.ended()));
    return this.#parts;
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
