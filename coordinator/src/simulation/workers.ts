import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { CoordinatorError } from "../errors.js";
import type { FromWorker, NumberedPerson, SimulatedPerson, ToWorker } from "./messages.js";

/** People sent to a worker in one message: a message is one block of JSON in memory at both ends. */
const PEOPLE_A_MESSAGE = 200;

/**
 * A worker makes messages for thousands of devices: with room for them few outlive a collection, which costs the less. Threads
 * that helped to collect would take the other workers' processors.
 */
const COLLECTION = ["--max-semi-space-size=32", "--single-threaded-gc"];

export interface WorkerOptions {
  readonly start: Extract<ToWorker, { type: "start" }>;
  readonly people: readonly SimulatedPerson[];
  readonly processes: number;
  readonly onMessage: (message: FromWorker) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs participants in worker processes until all are done. Each process holds many participants, each participant
 * its own key, store, consent and ratings; they reach the coordinator over gRPC like any device.
 *
 * @throws CoordinatorError ROUND_FAILED when a worker dies, CANCELLED
 */
export async function runWorkers(options: WorkerOptions): Promise<void> {
  if (options.signal.aborted) throw new CoordinatorError("CANCELLED", "stopped before the end");
  const numbered = options.people.map((person, number): NumberedPerson => ({ ...person, number }));
  const shares = Array.from({ length: options.processes }, (_, worker) =>
    numbered.filter(({ number }) => number % options.processes === worker),
  );
  const children = shares.map(() =>
    fork(new URL("./worker-main.js", import.meta.url), {
      serialization: "advanced",
      execArgv: [...process.execArgv, ...COLLECTION],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    }),
  );
  const stop = (): void => {
    for (const child of children) child.kill("SIGTERM");
  };
  options.signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.all(children.map((child, index) => drive(child, shares[index] ?? [], options)));
  } finally {
    options.signal.removeEventListener("abort", stop);
    stop();
  }
}

async function drive(child: ChildProcess, people: readonly NumberedPerson[], options: WorkerOptions): Promise<void> {
  const send = (message: ToWorker): void => {
    child.send(message);
  };
  const ended = new Promise<void>((resolve, reject) => {
    let done = false;
    child.on("message", (message: FromWorker) => {
      if (message.type === "done") {
        done = true;
        resolve();
      } else options.onMessage(message);
    });
    child.once("exit", (code, killed) => {
      if (done) return;
      reject(
        options.signal.aborted
          ? new CoordinatorError("CANCELLED", "stopped before the end")
          : new CoordinatorError(
              "ROUND_FAILED",
              `a worker process ended early (${killed ?? code}); its output says why`,
            ),
      );
    });
  });
  ended.catch(() => undefined);
  await Promise.race([once(child, "spawn"), ended]);
  send(options.start);
  for (let start = 0; start < people.length; start += PEOPLE_A_MESSAGE) {
    send({ type: "people", people: people.slice(start, start + PEOPLE_A_MESSAGE) });
  }
  send({ type: "go" });
  await ended;
  child.disconnect();
}
