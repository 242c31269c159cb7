import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { JoinOptions, Participant, ParticipationEvent, Transport } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import {
  type EntryOf,
  type EntryType,
  parseCohort,
  parseEntry,
  type VerificationReport,
  verifyBundle,
} from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import { ServerCredentials } from "@grpc/grpc-js";
import type { Test } from "tap";
import { exportBundle } from "../../src/ledger/export-bundle.js";
import { decodeSafetensors } from "../../src/models/safetensors.js";
import type { RoundNotice } from "../../src/rounds/engine.js";
import type { Population } from "../../src/rounds/population.js";
import { DEFAULT_ROUND_RETRIES } from "../../src/rounds/retries.js";
import { Coordinator, type CoordinatorOptions } from "../../src/server/coordinator.js";
import { temporaryFolder } from "../temporary-folder.js";
import { within } from "../within.js";
import { joinAs, takePart } from "./people.js";
import { type PlanChanges, POPULATION, testPlan } from "./plans.js";

export const ORIGIN = "example.org/coordinator-test";

export interface FederationOptions extends Partial<CoordinatorOptions> {
  readonly plan?: PlanChanges;
}

/** A coordinator in this process with a data folder of its own, and what its participants reach it by. */
export class Federation {
  readonly coordinator: Coordinator;
  readonly folder: string;
  readonly transport: Transport;
  /** Faults that callers only saw as INTERNAL: there are to be none. */
  readonly faults: unknown[];
  readonly notices: RoundNotice[];
  readonly #waiting: Set<() => void>;
  readonly #ending = new AbortController();
  #closed: Promise<void> | undefined;

  private constructor(
    coordinator: Coordinator,
    folder: string,
    heard: { faults: unknown[]; notices: RoundNotice[]; waiting: Set<() => void> },
  ) {
    this.coordinator = coordinator;
    this.folder = folder;
    this.faults = heard.faults;
    this.notices = heard.notices;
    this.#waiting = heard.waiting;
    this.transport = grpcTransport({ address: this.address });
  }

  /** Opens a coordinator that is closed with the test. Its rounds begin with `run`. */
  static async open(t: Test, { plan = {}, ...options }: FederationOptions = {}): Promise<Federation> {
    const folder = options.dataDir ?? temporaryFolder(t);
    await mkdir(folder, { recursive: true });
    const heard = { faults: [] as unknown[], notices: [] as RoundNotice[], waiting: new Set<() => void>() };
    const coordinator = await Coordinator.open({
      origin: ORIGIN,
      dataDir: folder,
      plans: [await testPlan(folder, plan)],
      enrolment: { type: "open" },
      credentials: ServerCredentials.createInsecure(),
      address: "127.0.0.1:0",
      clock: { now: () => Date.now() },
      concurrentUploads: 4,
      retries: { ...DEFAULT_ROUND_RETRIES, firstMs: 1, longestMs: 1 },
      ...options,
      onFault: (_where, cause) => heard.faults.push(cause),
      onNotice: (population, notice) => {
        heard.notices.push(notice);
        options.onNotice?.(population, notice);
        for (const wake of heard.waiting) wake();
      },
    });
    const federation = new Federation(coordinator, folder, heard);
    t.teardown(() => federation.close());
    return federation;
  }

  get address(): string {
    return `127.0.0.1:${this.coordinator.port}`;
  }

  get population(): Population {
    return this.coordinator.populations.get(POPULATION);
  }

  /** Aborted when the federation is closed: for participants that have no end of their own. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  join(overrides: Partial<JoinOptions> = {}): Promise<Participant> {
    return joinAs(this.transport, overrides);
  }

  takePart(participant: Participant): Promise<ParticipationEvent[]> {
    return takePart(participant, this.signal);
  }

  /** Drives the rounds to their end. */
  run(): Promise<void> {
    return this.coordinator.run(this.signal);
  }

  /** The first notice, past or to come, that the predicate holds for. */
  notice(isWanted: (notice: RoundNotice) => boolean): Promise<RoundNotice> {
    const told = (): string => JSON.stringify({ notices: this.notices.slice(-5), faults: this.faults.map(String) });
    return within(this.#notice(isWanted), () => `a notice with ${isWanted}, came ${told()}`);
  }

  async #notice(isWanted: (notice: RoundNotice) => boolean): Promise<RoundNotice> {
    for (;;) {
      const found = this.notices.find(isWanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** All entries of one type, in order. */
  async entries<Type extends EntryType>(type: Type): Promise<EntryOf<Type>[]> {
    const isWanted = (entry: { readonly type: string }): entry is EntryOf<Type> => entry.type === type;
    const found: EntryOf<Type>[] = [];
    for await (const bytes of this.coordinator.ledger.entries()) {
      const entry = parseEntry(bytes);
      if (isWanted(entry)) found.push(entry);
    }
    return found;
  }

  /** Round → subjects whose update is in its sum, for the completed rounds. */
  async cohorts(): Promise<Map<number, string[]>> {
    const cohorts = new Map<number, string[]>();
    for (const { body } of await this.entries("round.close")) {
      if (body.cohort === null || body.cohort.blob === null) continue;
      const { bytes } = await this.coordinator.store.db
        .selectFrom("blobs")
        .select("bytes")
        .where("sha256", "=", Buffer.from(body.cohort.blob, "base64url"))
        .executeTakeFirstOrThrow();
      cohorts.set(
        body.round,
        parseCohort(bytes).map(({ subject }) => subject),
      );
    }
    return cohorts;
  }

  /** Parameters of the newest model. */
  async model(): Promise<number[]> {
    const { state } = this.population;
    if (state === undefined) throw new Error("expected a population that has begun");
    return [...decodeSafetensors(await this.coordinator.artifacts.read(state.model)).parameters];
  }

  /** Exports the audit bundle and verifies it as an auditor does. */
  async audit(): Promise<VerificationReport> {
    const path = join(this.folder, "bundle.jsonl");
    const { verifierKey } = this.coordinator;
    await exportBundle({ database: join(this.folder, "fedloop.sqlite"), verifierKey, path });
    return verifyBundle(createReadStream(path), { verifier: nodeVerifier(), trust: { vkey: verifierKey } });
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#ending.abort();
      await this.coordinator.close();
      await this.transport.close();
    })();
    return this.#closed;
  }
}
