import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, listening } from "../store/postgres-server.js";

const DEBIAN = "/usr/sbin/nats-server";

function binary(): string | undefined {
  if (existsSync(DEBIAN)) return DEBIAN;
  return spawnSync("nats-server", ["--version"]).status === 0 ? "nats-server" : undefined;
}

/** Why tests that need NATS are skipped here; false where it is installed. */
export function withoutNats(): string | false {
  return binary() === undefined && "nats-server is not installed; apt-get install nats-server";
}

/** A NATS server with JetStream, of the test's own. */
export class NatsServer {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  static async start(): Promise<NatsServer> {
    const server = new NatsServer(mkdtempSync(join(tmpdir(), "fedloop-nats-")), await freePort());
    await server.resume();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts it, or starts it again after `kill`. */
  async resume(): Promise<void> {
    const words = ["-js", "-a", "127.0.0.1", "-p", String(this.port), "-sd", this.#folder];
    this.#process = spawn(binary() ?? "", words, { stdio: "ignore" });
    await listening(this.port);
  }

  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
  }

  /** Loses all that it has kept; while it is down. */
  forget(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.kill();
    this.forget();
  }
}
