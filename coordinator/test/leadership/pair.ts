// Two coordinators of one log in this process, on one PostgreSQL database and one NATS server, and commands against them.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Test } from "tap";
import { openPostgresReader } from "../../src/store/postgres.js";
import { type Calls, callsTo, HTTP } from "../admin/api.js";
import { type TypedJson, typedJson } from "../cli/typed.js";
import type { NatsServer } from "../messaging/nats-server.js";
import { Federation, type FederationOptions, ORIGIN } from "../server/federation.js";
import { POPULATION } from "../server/plans.js";
import type { PostgresServer } from "../store/postgres-server.js";
import { temporaryFolder } from "../temporary-folder.js";
import { within } from "../within.js";

export class Pair {
  readonly folder: string;
  readonly url: string;
  readonly nats: string;
  readonly #options: FederationOptions;
  readonly #t: Test;
  #opened = 0;

  private constructor(t: Test, places: { folder: string; url: string; nats: string }, options: FederationOptions) {
    this.#t = t;
    this.folder = places.folder;
    this.url = places.url;
    this.nats = places.nats;
    this.#options = options;
  }

  static async open(
    t: Test,
    postgres: PostgresServer,
    nats: NatsServer,
    options: FederationOptions = {},
  ): Promise<{ readonly pair: Pair; readonly one: Federation; readonly two: Federation }> {
    const url = await postgres.database();
    const pair = new Pair(t, { folder: temporaryFolder(t), url, nats: nats.url }, options);
    // The first makes the keys.
    const one = await pair.add();
    return { pair, one, two: await pair.add() };
  }

  /** One more coordinator, on a machine of its own, or as `options` say. */
  add(options: FederationOptions = {}): Promise<Federation> {
    this.#opened += 1;
    return Federation.open(this.#t, {
      http: HTTP,
      dataDir: join(this.folder, `c${this.#opened}`),
      keysDir: join(this.folder, "keys"),
      store: { type: "postgres", url: this.url },
      nats: { servers: [this.nats] },
      cluster: { leaseMs: 2_000 },
      ...this.#options,
      ...options,
    });
  }

  /** A command from a machine that has the keys and reaches the servers, and has no data folder yet. */
  command(...words: string[]): Promise<TypedJson> {
    return this.commandAt({}, ...words);
  }

  /** A command with a configuration of its own. @param machine a folder below this one's */
  async commandAt(
    {
      machine = "elsewhere",
      keys = "keys",
      url = this.url,
      nats = this.nats,
    }: {
      readonly machine?: string;
      readonly keys?: string;
      /** Null for a database in the data folder. */
      readonly url?: string | null;
      /** Null for artifacts in the data folder. */
      readonly nats?: string | null;
    },
    ...words: string[]
  ): Promise<TypedJson> {
    const config = join(this.folder, `${machine}.yaml`);
    const lines = [
      `origin: ${ORIGIN}`,
      "plans: [plan.yaml]",
      `dataDir: ${machine}`,
      `vaultDir: ${machine}/vault`,
      `keysDir: ${keys}`,
      ...(url === null ? [] : ["store: { postgres: {} }"]),
      ...(nats === null ? [] : [`nats: { servers: ["${nats}"] }`]),
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
    return typedJson(["--config", config, ...words], {
      environment: url === null ? {} : { FEDLOOP_POSTGRES_URL: url },
    });
  }

  /** The API of a coordinator, with a token that a command has made. */
  async api({ coordinator }: Federation): Promise<Calls> {
    const { body } = await this.command("tokens", "create", "--role", "operator", "--name", "test");
    return callsTo(`http://127.0.0.1:${coordinator.httpPort}`, body.token);
  }

  /**
   * Checks that a command counted all entries of the log: a coordinator that only follows it hears of them a moment later than
   * the database has them.
   *
   * @param counting runs it, and gives what it counted
   */
  async isWhole(t: Test, { coordinator: { ledger } }: Federation, counting: () => Promise<number>): Promise<void> {
    await ledger.refresh();
    const before = ledger.size;
    const entries = await counting();
    await ledger.refresh();
    t.ok(before > 0 && entries >= before && entries <= ledger.size, `${entries} entries, all that the log has`);
  }

  /** Waits until some coordinator leads the population. */
  led(): Promise<string> {
    const asking = async (): Promise<string> => {
      for (;;) {
        const address = await this.leader();
        if (address !== undefined) return address;
        await wait(20);
      }
    };
    return within(asking(), () => "a coordinator that leads");
  }

  /** Who leads the population by the database. */
  async leader(): Promise<string | undefined> {
    await using store = await openPostgresReader(this.url);
    const row = await store.db
      .selectFrom("leases")
      .select("address")
      .where("name", "=", POPULATION)
      .where("expires_ms", ">", 0)
      .executeTakeFirst();
    return row?.address;
  }
}
