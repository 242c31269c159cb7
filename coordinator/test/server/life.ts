import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../within.js";

/** What `coordinator-process.ts` prints. */
export interface Line {
  readonly port?: number;
  readonly verifierKey?: string;
  readonly finished?: boolean;
  readonly fault?: string;
}

export interface LifeOptions {
  readonly plan: "central" | "secure";
  /** Where to listen; any free port when it is left out. */
  readonly port?: number;
  /** The state of a round in which it is killed. */
  readonly kill?: { readonly state: string; readonly round: number };
}

/** One life of the coordinator. */
export class Life {
  readonly child: ChildProcess;
  readonly lines: Line[] = [];
  readonly #waiting = new Set<() => void>();
  #ended = false;

  constructor(dataDir: string, { plan, port = 0, kill }: LifeOptions) {
    const script = fileURLToPath(new URL("./coordinator-process.js", import.meta.url));
    const child = spawn(
      process.execPath,
      [script, dataDir, String(port), plan, ...(kill === undefined ? [] : [kill.state, String(kill.round)])],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    this.child = child;
    const wake = (): void => {
      for (const each of this.#waiting) each();
    };
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.lines.push(JSON.parse(line));
      wake();
    });
    child.once("close", () => {
      this.#ended = true;
      wake();
    });
  }

  line(isWanted: (line: Line) => boolean): Promise<Line> {
    return within(this.#line(isWanted), () => `a line with ${isWanted}, came ${JSON.stringify(this.lines.slice(-5))}`);
  }

  async #line(isWanted: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.find(isWanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the coordinator ended: ${JSON.stringify(this.lines)}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  async ended(): Promise<NodeJS.Signals | null> {
    const told = (): string => `the coordinator to end, which said ${JSON.stringify(this.lines.slice(-5))}`;
    if (!this.#ended) await within(once(this.child, "close"), told);
    return this.child.signalCode;
  }
}
