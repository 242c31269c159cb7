// The worker's end: holds the participant, so that nothing of it runs in the page's own thread.
import { ClientError } from "../errors.js";
import type { ConsentTerms, Decision, Notice } from "../participation/consent-terms.js";
import type { JoinOptions } from "../participation/join-options.js";
import { Participant } from "../participation/participant.js";
import { type ConditionsSource, SettableConditions } from "../scheduling/conditions.js";
import {
  type FromWorker,
  type ParticipantView,
  type RemoteMethod,
  receivedError,
  sentError,
  type ToWorker,
  type WorkerPort,
  workerMessage,
} from "./messages.js";

/** What the worker's code gets from the page. */
export interface WorkerSetup {
  /** What the page passed to `WorkerParticipant.join`: settings, data to train on. */
  readonly data: unknown;
  /** Asks in the page: give it as `consent.decide`. */
  readonly decide: ConsentTerms["decide"];
  /** What the page knows of the device: give it as `scheduling.conditions`. */
  readonly conditions: ConditionsSource;
}

/** Makes the options of a participant, in the worker. */
export type OpenParticipant = (setup: WorkerSetup) => JoinOptions | Promise<JoinOptions>;

interface Question {
  readonly resolve: (decision: Decision | boolean) => void;
  readonly reject: (error: ClientError) => void;
}

class ParticipantServer {
  readonly #port: WorkerPort;
  readonly #open: OpenParticipant;
  readonly #conditions = new SettableConditions();
  readonly #calls = new Map<number, AbortController>();
  readonly #questions = new Map<number, Question>();
  #nextQuestion = 1;
  #options: JoinOptions | undefined;
  #participant: Participant | undefined;

  constructor(port: WorkerPort, open: OpenParticipant) {
    this.#port = port;
    this.#open = open;
    port.addEventListener("message", (event) => {
      const message = workerMessage<ToWorker>(event);
      if (message !== undefined) this.#receive(message);
    });
  }

  #receive(message: ToWorker): void {
    switch (message.type) {
      case "call":
        void this.#call(message.id, message.method, message.arguments);
        break;
      case "abort":
        this.#calls.get(message.id)?.abort("aborted by the page");
        break;
      case "decided":
        this.#answered(message.id)?.resolve(message.decision);
        break;
      case "undecided":
        this.#answered(message.id)?.reject(receivedError(message.error));
        break;
      case "conditions":
        this.#conditions.set(message.conditions ?? {});
        break;
    }
  }

  async #call(id: number, method: RemoteMethod, given: readonly unknown[]): Promise<void> {
    const controller = new AbortController();
    this.#calls.set(id, controller);
    try {
      const value = await this.#answerTo(id, method, given, controller.signal);
      this.#post({ type: "done", id, value, view: this.#view() }, transferable(value));
    } catch (cause) {
      this.#post({ type: "failed", id, error: sentError(cause), view: this.#view() });
    } finally {
      this.#calls.delete(id);
    }
  }

  async #answerTo(id: number, method: RemoteMethod, given: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    if (method === "join") return this.#join(given[0], signal);
    if (method === "close") return this.#close(id);
    const participant = this.#participant;
    if (participant === undefined) throw new ClientError("NOT_ENROLLED", "expected join before any other call");
    const [first] = given;
    const text = typeof first === "string" ? first : undefined;
    switch (method) {
      case "run":
        for await (const event of participant.run({ signal })) {
          this.#post({ type: "event", id, event, view: viewOf(participant) });
        }
        return undefined;
      case "model": {
        const model = await participant.model({ signal });
        // A buffer of its own, which changes hands without a copy in the page's thread.
        return model === undefined ? undefined : { ...model, parameters: model.parameters.slice() };
      }
      case "receipts":
        return participant.receipts();
      case "budget":
        return participant.budget(typeof first === "number" ? first : undefined);
      case "ask":
        return participant.ask(text ?? "", { signal });
      case "withdraw":
        return participant.withdraw(text, { signal });
      case "export":
        return participant.export({ local: text === "local", signal });
      case "forkEvidence":
        return participant.forkEvidence();
      case "leave":
        return participant.leave({ signal });
      case "erase":
        return participant.erase({ signal });
    }
  }

  async #join(data: unknown, signal: AbortSignal): Promise<void> {
    if (this.#participant !== undefined) throw new ClientError("BAD_OPTION", "expected one participant for a worker");
    const decide = (notice: Notice, purpose: string): Promise<Decision | boolean> => this.#ask(notice, purpose);
    this.#options ??= await this.#open({ data, decide, conditions: this.#conditions });
    this.#participant = await Participant.join({ ...this.#options, signal });
  }

  /** Ends what runs and closes store and transport; then the worker can be terminated. */
  async #close(own: number): Promise<void> {
    for (const [id, controller] of this.#calls) if (id !== own) controller.abort("the participant was closed");
    const { store, transport } = this.#options ?? {};
    await store?.close();
    await transport?.close();
  }

  #ask(notice: Notice, purpose: string): Promise<Decision | boolean> {
    const id = this.#nextQuestion++;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
      this.#post({ type: "ask", id, notice, purpose });
    });
  }

  #answered(id: number): Question | undefined {
    const question = this.#questions.get(id);
    this.#questions.delete(id);
    return question;
  }

  #view(): ParticipantView | null {
    return this.#participant === undefined ? null : viewOf(this.#participant);
  }

  #post(message: FromWorker, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

function viewOf({ subject, consents, log }: Participant): ParticipantView {
  return { subject, consents, log };
}

function transferable(value: unknown): Transferable[] {
  if (typeof value !== "object" || value === null || !("parameters" in value)) return [];
  const { parameters } = value;
  return parameters instanceof Float32Array && parameters.buffer instanceof ArrayBuffer ? [parameters.buffer] : [];
}

/**
 * Serves a participant to the page or thread at the other end of `port`; there `WorkerParticipant.join` finds it.
 *
 * @param port the worker's own scope, `self` in a browser, `parentThread()` of `/node` in Node
 * @param open makes the participant's options here, in the worker: trainer, store, transport
 */
export function serveParticipant(port: WorkerPort, open: OpenParticipant): void {
  new ParticipantServer(port, open);
}

/** The scope of the browser worker that this runs in, for `serveParticipant`. @throws ClientError BAD_OPTION in a page */
export function workerScope(): WorkerPort {
  if ("document" in globalThis) throw new ClientError("BAD_OPTION", "expected to run in a worker, this is a page");
  // A worker's own global scope is such a port; TypeScript knows it as a window.
  return globalThis as unknown as WorkerPort;
}
