import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Test } from "tap";

/** A child process that tells its story as JSON, a line each. It is killed with the test. */
export class LineProcess<Line> {
  readonly child: ChildProcess;
  readonly lines: Line[] = [];
  /** What it wrote to standard error. */
  log = "";
  readonly #waiting = new Set<() => void>();
  #ended = false;

  /** @param args of node, the script first */
  constructor(t: Test, args: readonly string[]) {
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.child = child;
    t.teardown(() => child.kill("SIGKILL"));
    child.stderr.on("data", (bytes: Buffer) => {
      this.log += bytes.toString();
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.lines.push(JSON.parse(line));
      this.#wake();
    });
    child.once("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The first line, past or to come, that the predicate holds for. */
  async line(isWanted: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.find(isWanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the process ended early: ${this.log}`);
      await this.#change();
    }
  }

  /** @returns the exit code, or the signal that ended the process */
  async exit(): Promise<number | NodeJS.Signals | null> {
    while (!this.#ended) await this.#change();
    return this.child.exitCode ?? this.child.signalCode;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }
}
