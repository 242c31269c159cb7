import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";

const DEBIAN = "/usr/lib/postgresql";

function binaries(): string | undefined {
  if (existsSync(DEBIAN)) {
    for (const version of readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a))) {
      const folder = join(DEBIAN, version, "bin");
      if (existsSync(join(folder, "postgres"))) return folder;
    }
  }
  const { stdout, status } = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** Why tests that need PostgreSQL are skipped here; false where it is installed. */
export function withoutPostgres(): string | false {
  return binaries() === undefined && "PostgreSQL is not installed; apt-get install postgresql";
}

/** PostgreSQL refuses to run as root: then it runs as Debian's user for it. */
function user(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
  return { uid: id("-u"), gid: id("-g") };
}

/** A free port of 127.0.0.1, so that a server can come back where it was. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("expected a port");
  return address.port;
}

/** Resolves when somebody listens on the port. */
export async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (isThere) return;
    await wait(50);
  }
  throw new Error(`nobody listens on port ${port}`);
}

/** A PostgreSQL server of the test's own, on a temporary folder. */
export class PostgresServer {
  readonly port: number;
  readonly #folder: string;
  readonly #bin: string;
  #process: ChildProcess | undefined;
  #databases = 0;

  private constructor(folder: string, bin: string, port: number) {
    this.#folder = folder;
    this.#bin = bin;
    this.port = port;
  }

  static async start(): Promise<PostgresServer> {
    const bin = binaries();
    if (bin === undefined) throw new Error("expected PostgreSQL to be installed");
    const folder = mkdtempSync(join(tmpdir(), "fedloop-postgres-"));
    const { uid, gid } = user();
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
    const made = spawnSync(
      join(bin, "initdb"),
      ["-D", join(folder, "data"), "-U", "fedloop", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      { ...user(), cwd: folder, encoding: "utf8" },
    );
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
    const server = new PostgresServer(folder, bin, await freePort());
    await server.resume();
    return server;
  }

  /** Starts it, or starts it again after `kill`. */
  async resume(): Promise<void> {
    const settings = {
      port: this.port,
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      shared_buffers: "16MB",
      // The machine does not lose its power during a test.
      fsync: "off",
    };
    const words = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    this.#process = spawn(join(this.#bin, "postgres"), ["-D", join(this.#folder, "data"), ...words], {
      ...user(),
      cwd: this.#folder,
      stdio: "ignore",
    });
    await listening(this.port);
    for (let attempt = 0; ; attempt++) {
      const client = new pg.Client(this.url("postgres"));
      try {
        await client.connect();
        await client.end();
        return;
      } catch (cause) {
        // It listens before it has recovered.
        if (attempt === 200) throw cause;
        await wait(25);
      }
    }
  }

  url(database: string): string {
    return `postgres://fedloop@127.0.0.1:${this.port}/${database}`;
  }

  /** A new database. @returns its URL */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await this.query(this.url("postgres"), `create database ${name}`);
    return this.url(name);
  }

  /** Runs a statement, on a connection of its own. */
  async query(url: string, statement: string): Promise<void> {
    const client = new pg.Client(url);
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }

  /** What `pg_dump` writes. */
  dump(url: string, ...flags: readonly string[]): string {
    return this.#tool("pg_dump", [...flags, url]);
  }

  /** Has `psql` run what `pg_dump` wrote, up to the first error. */
  load(url: string, dumped: string): void {
    this.#tool("psql", ["--quiet", "--set", "ON_ERROR_STOP=1", url], dumped);
  }

  #tool(name: string, words: readonly string[], input = ""): string {
    const { status, stdout, stderr } = spawnSync(join(this.#bin, name), words, { input, encoding: "utf8" });
    if (status !== 0) throw new Error(`${name}: ${stderr}`);
    return stdout;
  }

  /** Ends it as a crash would, with all of its processes. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGQUIT");
    await ended;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
