import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

/** The installed command, seen from the compiled file. */
const FEDLOOP = fileURLToPath(new URL("../../../../coordinator/dist/src/cli/main.js", import.meta.url));

export const POPULATION = "lecturers";
export const PURPOSE = "lecture-recommendations";
export const ORIGIN = "example.org/processes";

/** A line that `fedloop serve --json` prints. */
export interface ServeLine {
  readonly event: string;
  readonly address?: string;
  readonly verifierKey?: string;
  readonly round?: number;
  readonly state?: string;
  readonly reason?: string | null;
  readonly why?: string;
  readonly peakServerMb?: number;
}

/** Sections of a plan, as JSON (which YAML includes). */
export type PlanSections = Readonly<Record<string, unknown>>;

const PLAN: PlanSections = {
  population: POPULATION,
  controller: "Example University",
  purpose: PURPOSE,
  notice: { file: "notice.md" },
  language: "en",
  dataCategories: ["lecture ratings"],
  model: { parameters: 3 },
  trainer: { id: "test" },
  rounds: 1,
  cohort: { target: 3, minimum: 3, overSelection: 1 },
  deadlines: { selection: "20s", report: "20s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers" },
  secureAggregation: { enabled: false, reason: "the test looks at sums" },
};

/** A folder of the test's own, removed when the test is over. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "fedloop-test-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes configuration, plan and notice. @returns path of the configuration */
export function writeConfiguration(folder: string, plan: PlanSections = {}, port = 0): string {
  writeFileSync(join(folder, "notice.md"), "Your ratings train a model. They stay with you.\n");
  writeFileSync(join(folder, "plan.yaml"), JSON.stringify({ ...PLAN, ...plan }));
  const config = join(folder, "fedloop.yaml");
  const listen = { host: "127.0.0.1", port };
  writeFileSync(
    config,
    JSON.stringify({ origin: ORIGIN, dataDir: "data", listen, plans: ["plan.yaml"], log: { level: "warn" } }),
  );
  return config;
}

/** `fedloop serve` in a process of its own. */
export class ServeProcess {
  readonly child: ChildProcess;
  readonly lines: ServeLine[] = [];
  /** What it logged: standard error. */
  log = "";
  readonly #waiting = new Set<() => void>();
  #ended = false;

  /** @param config path of fedloop.yaml */
  constructor(t: Test, config: string, flags: readonly string[] = []) {
    const child = spawn(process.execPath, [FEDLOOP, "--config", config, "serve", "--json", ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
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
  async line(isWanted: (line: ServeLine) => boolean): Promise<ServeLine> {
    for (;;) {
      const found = this.lines.find(isWanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`fedloop serve ended early: ${this.log}`);
      await this.#change();
    }
  }

  /** Where it listens, and the key of its log. */
  async listening(): Promise<{ readonly address: string; readonly verifierKey: string }> {
    const { address = "", verifierKey = "" } = await this.line(({ event }) => event === "listening");
    return { address, verifierKey };
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
