// What a page and the worker that holds its participant say to each other, as structured clones.

import { ClientError, type ClientErrorCode } from "../errors.js";
import type { PinnedLog } from "../guard/receipt.js";
import type { OwnConsent } from "../identity/device-state.js";
import type { Decision, Notice } from "../participation/consent-terms.js";
import type { ParticipationEvent } from "../participation/events.js";
import type { DeviceConditions } from "../scheduling/conditions.js";

/** What the page can always tell without asking the worker. */
export interface ParticipantView {
  readonly subject: string;
  readonly consents: { readonly [purpose: string]: OwnConsent };
  readonly log: PinnedLog;
}

/** Calls of the participant that a page makes, by name. */
export type RemoteMethod =
  | "join"
  | "run"
  | "model"
  | "receipts"
  | "budget"
  | "ask"
  | "withdraw"
  | "export"
  | "forkEvidence"
  | "leave"
  | "erase"
  | "close";

export type ToWorker =
  | {
      readonly type: "call";
      readonly id: number;
      readonly method: RemoteMethod;
      readonly arguments: readonly unknown[];
    }
  | { readonly type: "abort"; readonly id: number }
  /** The person's answer to a question. */
  | { readonly type: "decided"; readonly id: number; readonly decision: Decision | boolean }
  | { readonly type: "undecided"; readonly id: number; readonly error: SentError }
  | { readonly type: "conditions"; readonly conditions: DeviceConditions };

export type FromWorker =
  | { readonly type: "done"; readonly id: number; readonly value: unknown; readonly view: ParticipantView | null }
  | { readonly type: "failed"; readonly id: number; readonly error: SentError; readonly view: ParticipantView | null }
  | { readonly type: "event"; readonly id: number; readonly event: ParticipationEvent; readonly view: ParticipantView }
  | { readonly type: "ask"; readonly id: number; readonly notice: Notice; readonly purpose: string };

/** A `ClientError` on its way: an Error's class does not survive a structured clone. */
export interface SentError {
  readonly code: ClientErrorCode;
  readonly message: string;
  readonly remoteCode: string | undefined;
  readonly retryAfterMs: number;
  readonly serverTimeMs: number | undefined;
}

/** What an error says, without what cannot travel. */
export function sentError(cause: unknown): SentError {
  if (cause instanceof ClientError) {
    const { code, message, remoteCode, retryAfterMs, serverTimeMs } = cause;
    return { code, message, remoteCode, retryAfterMs, serverTimeMs };
  }
  // The app's own code in the worker: its message is the app's.
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code: "WORKER", message, remoteCode: undefined, retryAfterMs: 0, serverTimeMs: undefined };
}

/** What came through a port, where it is one of these messages: development servers and extensions speak through ports too. */
export function workerMessage<Message extends { readonly type: string }>(event: Event): Message | undefined {
  const data: unknown = event instanceof MessageEvent ? event.data : undefined;
  return typeof data === "object" && data !== null && "type" in data ? (data as Message) : undefined;
}

/** The error that was sent. */
export function receivedError(error: SentError | null | undefined): ClientError {
  if (error === undefined || error === null)
    return new ClientError("WORKER", "the other end failed and did not say how");
  const { code, message, remoteCode, retryAfterMs, serverTimeMs } = error;
  return new ClientError(code, message, {
    retryAfterMs,
    ...(remoteCode === undefined ? {} : { remoteCode }),
    ...(serverTimeMs === undefined ? {} : { serverTimeMs }),
  });
}

/** One end of a channel: a Worker, a worker's own scope, a MessagePort. */
export interface WorkerPort {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message" | "messageerror" | "error", listener: (event: Event) => void): void;
}
