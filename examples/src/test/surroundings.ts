/** What the tests of the examples run in: folders of their own, commands on the path, a coordinator on a free port. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

/** The top of the repository, seen from the compiled file. */
export const repository: string = fileURLToPath(new URL("../../../../", import.meta.url));

/** The folder with the operator's files. */
export const small: string = join(repository, "examples", "small");

/** A folder that is gone when the test is over. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "fedloop-examples-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The environment of a terminal that has `fedloop` and `fedloop-audit`. */
export function terminal(folder: string): NodeJS.ProcessEnv {
  const commands = {
    fedloop: "coordinator/bin/fedloop.js",
    "fedloop-audit": "consent/bin/fedloop-audit.js",
  };
  for (const [name, script] of Object.entries(commands)) {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${join(repository, script)}" "$@"\n`);
    chmodSync(path, 0o755);
  }
  return { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}` };
}

/** The same, in which a coordinator takes a free port and a data folder of its own. */
export function environment(folder: string): NodeJS.ProcessEnv {
  return {
    ...terminal(folder),
    FEDLOOP_LISTEN: "127.0.0.1:0",
    FEDLOOP_DATA_DIR: join(folder, "fedloop-data"),
  };
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** A command under way. */
export interface Running {
  /** Where the coordinator that it starts listens, as its log says. */
  readonly address: Promise<string>;
  /** Where it serves HTTP, if it does. */
  readonly http: Promise<string>;
  readonly ended: Promise<Ended>;
  /** All that it has printed once this is among it. */
  printed(text: string): Promise<string>;
  /** Types the last line of its input. */
  type(text: string): void;
  stop(): void;
}

/** Starts a command. */
export function run(command: string, args: readonly string[], options: RunOptions): Running {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ["pipe", "pipe", "pipe"],
    // A group of its own, so that a shell ends together with what it started.
    detached: true,
  });
  const type = (text: string): void => {
    child.stdin.end(text);
  };
  if (options.input !== undefined) type(options.input);
  let output = "";
  const errors: string[] = [];
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes.toString();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output, errors: errors.join("\n") }));
  });
  let heardHttp = (_base: string): void => {};
  const http = new Promise<string>((resolve) => {
    heardHttp = resolve;
  });
  const address = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      errors.push(line);
      const [, found] = /"address":"([^"]+)".*"msg":"listening"/.exec(line) ?? [];
      const [, base] = /"http":"([^"]+)"/.exec(line) ?? [];
      if (base !== undefined) heardHttp(base);
      if (found !== undefined) resolve(found);
    });
    ended.then(({ errors: text }) => reject(new Error(`the coordinator did not come to listen:\n${text}`)), reject);
  });
  address.catch(() => undefined);
  const printed = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => void (output.includes(text) && resolve(output));
      child.stdout.on("data", look);
      ended.then(({ errors: told }) => reject(new Error(`it ended before it printed "${text}":\n${told}`)), reject);
      look();
    });
  const stop = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
  };
  return { address, http, ended, printed, type, stop };
}

export interface RunOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** All that is typed into it; without it `type` does so later. */
  readonly input?: string;
}
