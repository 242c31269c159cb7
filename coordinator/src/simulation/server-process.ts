import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CoordinatorError } from "../errors.js";
import type { ServeEvent } from "../server/serve.js";

export interface ServerProcessOptions {
  /** Path of fedloop.yaml. */
  readonly config: string;
  readonly onEvent: (event: ServeEvent) => void;
  /** Node's own flags, and more of the environment: for what measures it. */
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** `fedloop serve` as a process of its own, read through its JSON lines. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #events: ServeEvent[] = [];
  readonly #waiting = new Set<(event: ServeEvent | undefined) => void>();
  #log = "";
  #exited = false;

  constructor(options: ServerProcessOptions) {
    const main = fileURLToPath(new URL("../cli/main.js", import.meta.url));
    const child = spawn(
      process.execPath,
      [...(options.execArgv ?? []), main, "serve", "--config", options.config, "--json"],
      // Ctrl-C is for the simulation, which then ends its server in order.
      { stdio: ["ignore", "pipe", "pipe"], detached: true, env: { ...withoutOverrides(process.env), ...options.env } },
    );
    this.#child = child;
    child.stderr.on("data", (bytes: Buffer) => {
      this.#log = (this.#log + bytes.toString()).slice(-4_000);
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event: ServeEvent = JSON.parse(line);
      this.#events.push(event);
      options.onEvent(event);
      for (const wake of this.#waiting) wake(event);
    });
    child.once("close", () => {
      this.#exited = true;
      for (const wake of this.#waiting) wake(undefined);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * The first event of this kind, waiting for it if need be.
   *
   * @throws CoordinatorError ROUND_FAILED when the process ends before it, with the end of its log
   */
  async first<Kind extends ServeEvent["event"]>(kind: Kind): Promise<Extract<ServeEvent, { event: Kind }>> {
    const isWanted = (event: ServeEvent): event is Extract<ServeEvent, { event: Kind }> => event.event === kind;
    const known = this.#events.find(isWanted);
    if (known !== undefined) return known;
    if (this.#exited) throw this.#failed(kind);
    return new Promise((resolve, reject) => {
      const wake = (event: ServeEvent | undefined): void => {
        if (event !== undefined && !isWanted(event)) return;
        this.#waiting.delete(wake);
        if (event === undefined) reject(this.#failed(kind));
        else resolve(event);
      };
      this.#waiting.add(wake);
    });
  }

  /** @throws CoordinatorError ROUND_FAILED when the process has ended, with the end of its log */
  requireRunning(): void {
    if (this.#exited) throw this.#failed("asked to end");
  }

  stop(): void {
    if (!this.#exited) this.#child.kill("SIGTERM");
  }

  #failed(kind: string): CoordinatorError {
    return new CoordinatorError(
      "ROUND_FAILED",
      `the coordinator ended before it was ${kind}; the end of its log:\n${this.#log.trimEnd()}`,
    );
  }
}

/** The simulation's coordinator reads its own configuration: what overrides the operator's must not reach it. */
function withoutOverrides(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("FEDLOOP_")));
}
