// Worker threads of Node as the ports that `serveParticipant` and `WorkerParticipant` speak through.
import { isMainThread, parentPort, type Worker } from "node:worker_threads";
import { ClientError } from "../errors.js";
import type { WorkerPort } from "./messages.js";

type Listener = (event: Event) => void;

interface Emitter {
  on(event: string, listener: (value: unknown) => void): unknown;
}

function listen(emitter: Emitter, type: string, listener: Listener): void {
  if (type === "message") emitter.on("message", (data) => listener(new MessageEvent("message", { data })));
  else emitter.on(type, (cause) => listener(failure(type, cause)));
}

function failure(type: string, cause: unknown): Event {
  const message = cause instanceof Error ? cause.message : String(cause);
  return Object.assign(new Event(type), { message });
}

/** A worker thread, for `WorkerParticipant.join`. */
export function threadPort(worker: Worker): WorkerPort {
  return {
    postMessage: (message, transfer) => worker.postMessage(message, transfer as ArrayBuffer[]),
    addEventListener(type, listener) {
      listen(worker, type, listener);
      // A thread that ends by itself, or by process.exit, tells so by its exit only.
      if (type === "error") worker.on("exit", (code) => listener(failure("error", `it ended with code ${code}`)));
    },
  };
}

/** The thread that started this one, for `serveParticipant`. @throws ClientError BAD_OPTION in the main thread */
export function parentThread(): WorkerPort {
  const port = parentPort;
  if (isMainThread || port === null) throw new ClientError("BAD_OPTION", "expected to run in a worker thread");
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer as ArrayBuffer[]),
    addEventListener: (type, listener) => listen(port, type, listener),
  };
}
