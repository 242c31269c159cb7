// A coordinator in a process of its own, as a test holds it: what it printed, where it stops, how it ends.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { WebhookEndpoint } from "../../src/webhooks/sender.js";
import type { PlanChanges } from "../server/plans.js";
import { within } from "../within.js";
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
  /** Why no more rounds begin. */
  readonly paused?: string;
}

/** Lines that are told where a wait was in vain. */
const TOLD_LINES = 12;

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

  /**
   * The next line that is wanted, from line `from` on.
   *
   * @param what names it, for who reads why the test failed
   * @throws Error when it has ended, or printed no such line in three minutes
   */
  line(isWanted: (line: SharedLine) => boolean, from = 0, what: string = String(isWanted)): Promise<SharedLine> {
    return within(this.#line(isWanted, from), () => `a line of ${this.name} with ${what}; ${this.told}`);
  }

  /** Its last lines. */
  get told(): string {
    return `${this.name}${this.#ended ? " has ended, and" : ""} said ${JSON.stringify(this.lines.slice(-TOLD_LINES))}`;
  }

  async #line(isWanted: (line: SharedLine) => boolean, from: number): Promise<SharedLine> {
    for (;;) {
      const found = this.lines.slice(from).find(isWanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`expected more of a coordinator: ${this.told}`);
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
    await this.line(({ holding }) => holding === state, from, `holding: ${state}`);
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      if (this.#ended) resolve();
      else this.#child.once("close", () => resolve());
    });
    await within(ended, () => `the end of ${this.name}; ${this.told}`).finally(() => this.kill());
    this.wire.close();
  }
}
