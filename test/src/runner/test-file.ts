/** Runs one compiled test file in a process of its own, with a limit on its time. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface FileRun {
  readonly output: string;
  readonly seconds: number;
  /** Processor time of the file's process and of those it waited for, where the system tells. */
  readonly processorSeconds: number | undefined;
  /** Why the file counts as failed whatever its assertions say. */
  readonly fault: string | undefined;
}

export interface FileRunOptions {
  readonly root: string;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** How long a file that was asked to say what it waits for gets to say it. */
const LAST_WORDS_MS = 5_000;
const PRELOADED = new URL("./plain-promises.js", import.meta.url).href;
const TICKS_PER_SECOND = 100;

/** User and system time of all children that ended so far; their end is the only moment the system adds it up. */
function childrenSeconds(): number | undefined {
  try {
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ");
    return (Number(fields?.[13]) + Number(fields?.[14])) / TICKS_PER_SECOND;
  } catch {
    return undefined; // no Linux
  }
}

let countedSeconds = childrenSeconds();

function secondsOfLastChild(): number | undefined {
  const before = countedSeconds;
  countedSeconds = childrenSeconds();
  return before === undefined || countedSeconds === undefined ? undefined : countedSeconds - before;
}

/** Signals the file's process and all it started; it has a process group of its own. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // All of them have ended.
  }
}

/** Runs `file` (relative to the root). At its limit tap is asked for what is still open (SIGALRM), then all that the file started is ended. */
export async function runTestFile(file: string, options: FileRunOptions): Promise<FileRun> {
  const started = performance.now();
  const child = spawn(process.execPath, ["--import", PRELOADED, file], {
    cwd: options.root,
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
    env: { ...process.env, NODE_NO_WARNINGS: "1", TAP: "1", TAP_TIMEOUT: String(options.limitMs / 1000) },
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  let fault: string | undefined;
  let lastWords: NodeJS.Timeout | undefined;
  const limit = setTimeout(() => {
    fault = `was not done after ${options.limitMs / 1000} s`;
    child.kill("SIGALRM");
    lastWords = setTimeout(() => signalGroup(child, "SIGKILL"), LAST_WORDS_MS);
  }, options.limitMs);
  const stop = () => signalGroup(child, "SIGKILL");
  options.signal.addEventListener("abort", stop);
  let processorSeconds: number | undefined;
  child.once("exit", () => {
    processorSeconds = secondsOfLastChild();
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (...end) => resolve(end));
  });
  clearTimeout(limit);
  clearTimeout(lastWords);
  // What a file leaves running when it fails would slow down, or confuse, the files after it.
  if (fault !== undefined || code !== 0) signalGroup(child, "SIGKILL");
  options.signal.removeEventListener("abort", stop);
  if (fault === undefined && code !== 0) fault = signal === null ? `ended with status ${code}` : `ended by ${signal}`;
  return {
    output: Buffer.concat(chunks).toString("utf8"),
    seconds: (performance.now() - started) / 1000,
    processorSeconds,
    fault,
  };
}
