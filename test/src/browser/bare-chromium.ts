// Chromium without Playwright, which keeps every page in the foreground: here a tab behind another one is hidden.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { EXECUTABLE } from "./chromium.js";

interface Answer {
  readonly id?: number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

type Call = (method: string, params: object, sessionId?: string) => Promise<Readonly<Record<string, unknown>>>;

/** The DevTools protocol over a pipe: JSON texts, each closed by a zero byte. */
function protocolOver(requests: Writable, answers: Readable): Call {
  const waiting = new Map<number, (answer: Answer) => void>();
  let [calls, rest] = [0, ""];
  answers.setEncoding("utf8").on("data", (text: string) => {
    const whole = (rest + text).split("\0");
    rest = whole.pop() ?? "";
    for (const each of whole) {
      const answer: Answer = JSON.parse(each);
      if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
    }
  });
  return (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, ({ result = {}, error }) => {
        waiting.delete(id);
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      requests.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
}

/** A tab of a bare Chromium. */
export interface Tab {
  /** What an expression of the page comes to, awaited. */
  evaluate(expression: string): Promise<unknown>;
}

/** A Chromium with one window; the last tab that was opened is in front. */
export interface BareChromium {
  open(url: string): Promise<Tab>;
}

function pipes({ stdio }: ChildProcess): readonly [Writable, Readable] {
  const [, , , requests, answers] = stdio;
  if (requests === null || requests === undefined || !("write" in requests))
    throw new Error("expected a pipe to Chromium");
  if (answers === null || answers === undefined || !("setEncoding" in answers))
    throw new Error("expected a pipe from it");
  return [requests, answers];
}

/** Starts one, closed with the test. */
export function bareChromium(t: { teardown(end: () => unknown): void }): BareChromium {
  const profile = mkdtempSync(join(tmpdir(), "fedloop-chromium-"));
  const flags = ["--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-background-networking"];
  const child = spawn(EXECUTABLE, [...flags, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const call = protocolOver(...pipes(child));
  t.teardown(async () => {
    // A browser that has died already has no answer to give.
    void call("Browser.close", {}).catch(() => {});
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    async open(url) {
      const { targetId } = await call("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
      const evaluate = async (expression: string): Promise<unknown> => {
        const params = { expression, awaitPromise: true, returnByValue: true };
        const { result, exceptionDetails } = await call("Runtime.evaluate", params, String(sessionId));
        if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
        return typeof result === "object" && result !== null && "value" in result ? result.value : undefined;
      };
      await call("Page.navigate", { url }, String(sessionId));
      await evaluate(
        "document.readyState === 'complete' || new Promise((done) => addEventListener('load', () => done()))",
      );
      return { evaluate };
    },
  };
}
