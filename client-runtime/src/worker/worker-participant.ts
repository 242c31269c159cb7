// The page's end: a participant that lives in a worker. Nothing here takes time.
import { ClientError } from "../errors.js";
import type { BudgetReport } from "../guard/budget.js";
import type { PinnedLog } from "../guard/receipt.js";
import type { OwnConsent, OwnReceipt } from "../identity/device-state.js";
import type { ReleasedModel } from "../models/released-model.js";
import type { Abortable, AppParticipant, ExportOptions } from "../participation/app-participant.js";
import type { ConsentTerms } from "../participation/consent-terms.js";
import type { ParticipationEvent } from "../participation/events.js";
import type { ParticipantExport } from "../participation/participant.js";
import type { ErasureReceipt } from "../participation/subject-rights.js";
import type { ConditionsSource } from "../scheduling/conditions.js";
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

/** What a page gives to take part through a worker. */
export interface WorkerJoinOptions extends Abortable {
  /** The worker whose code calls `serveParticipant`. It serves one participant. */
  readonly worker: WorkerPort;
  /** Given to the worker's code as it is, by structured clone: settings, data to train on. */
  readonly data?: unknown;
  /** Shows the notice in the page and brings back the person's answer. */
  readonly decide: ConsentTerms["decide"];
  /** What the page knows of its device: `browserConditions()`. */
  readonly conditions?: ConditionsSource;
}

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: ClientError) => void;
  readonly onEvent: ((event: ParticipationEvent) => void) | undefined;
}

/** A participant that lives in a worker, with the API of `Participant`; what is read there is awaited here. */
export class WorkerParticipant implements AppParticipant {
  readonly #worker: WorkerPort;
  readonly #decide: ConsentTerms["decide"];
  readonly #calls = new Map<number, PendingCall>();
  readonly #unlisten: () => void;
  #nextCall = 1;
  #view: ParticipantView | undefined;
  #failure: ClientError | undefined;

  private constructor({ worker, decide, conditions }: WorkerJoinOptions) {
    this.#worker = worker;
    this.#decide = decide;
    worker.addEventListener("message", (event) => {
      const message = workerMessage<FromWorker>(event);
      if (message !== undefined) this.#receive(message);
    });
    const failed = (event: Event): void => this.#fail(event);
    worker.addEventListener("error", failed);
    worker.addEventListener("messageerror", failed);
    const tell = (): void => {
      if (conditions !== undefined) this.#post({ type: "conditions", conditions: conditions.current() });
    };
    this.#unlisten = conditions?.listen(tell) ?? (() => {});
    tell();
  }

  /**
   * Joins in the worker; see `Participant.join`.
   *
   * @throws ClientError as there, and WORKER when the worker's code fails
   */
  static async join(options: WorkerJoinOptions): Promise<WorkerParticipant> {
    const participant = new WorkerParticipant(options);
    try {
      await participant.#call("join", [options.data], options.signal);
      return participant;
    } catch (cause) {
      participant.#unlisten();
      throw cause;
    }
  }

  get subject(): string {
    return this.#seen.subject;
  }

  get consents(): { readonly [purpose: string]: OwnConsent } {
    return this.#seen.consents;
  }

  get log(): PinnedLog {
    return this.#seen.log;
  }

  /** Takes part; see `Participant.run`. Rounds go on in the worker whether or not the events are read at once. */
  async *run(options: Abortable = {}): AsyncGenerator<ParticipationEvent> {
    const events: ParticipationEvent[] = [];
    let wake = (): void => {};
    let end: { readonly error: ClientError | undefined } | undefined;
    const left = new AbortController();
    const stop = (): void => left.abort();
    options.signal?.addEventListener("abort", stop, { once: true });
    if (options.signal?.aborted === true) return;
    const onEvent = (event: ParticipationEvent): void => {
      events.push(event);
      wake();
    };
    this.#call("run", [], left.signal, onEvent).then(
      () => {
        end = { error: undefined };
        wake();
      },
      (error: ClientError) => {
        end = { error };
        wake();
      },
    );
    try {
      for (;;) {
        const event = events.shift();
        if (event !== undefined) yield event;
        else if (end !== undefined) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      if (end.error !== undefined) throw end.error;
    } finally {
      options.signal?.removeEventListener("abort", stop);
      left.abort();
    }
  }

  async model({ signal }: Abortable = {}): Promise<ReleasedModel | undefined> {
    return (await this.#call("model", [], signal)) as ReleasedModel | undefined;
  }

  async receipts(): Promise<readonly OwnReceipt[]> {
    return (await this.#call("receipts", [])) as readonly OwnReceipt[];
  }

  async budget(delta?: number): Promise<BudgetReport> {
    return (await this.#call("budget", [delta])) as BudgetReport;
  }

  async ask(purpose: string, { signal }: Abortable = {}): Promise<void> {
    await this.#call("ask", [purpose], signal);
  }

  async withdraw(purpose?: string, { signal }: Abortable = {}): Promise<void> {
    await this.#call("withdraw", [purpose], signal);
  }

  async export({ local, signal }: ExportOptions = {}): Promise<ParticipantExport> {
    return (await this.#call("export", local === true ? ["local"] : [], signal)) as ParticipantExport;
  }

  async forkEvidence(): Promise<string | undefined> {
    return (await this.#call("forkEvidence", [])) as string | undefined;
  }

  async leave({ signal }: Abortable = {}): Promise<void> {
    await this.#call("leave", [], signal);
  }

  async erase({ signal }: Abortable = {}): Promise<ErasureReceipt> {
    return (await this.#call("erase", [], signal)) as ErasureReceipt;
  }

  /** Ends a run, and closes store and transport in the worker, which can then be terminated; one that failed is gone. */
  async close(): Promise<void> {
    this.#unlisten();
    if (this.#failure === undefined) await this.#call("close", []);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #seen(): ParticipantView {
    if (this.#view === undefined) throw new ClientError("NOT_ENROLLED", "expected a participant that has joined");
    return this.#view;
  }

  #call(
    method: RemoteMethod,
    given: readonly unknown[],
    signal?: AbortSignal,
    onEvent?: (event: ParticipationEvent) => void,
  ): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (signal?.aborted === true) return Promise.reject(new ClientError("ABORTED", `${method} was aborted`));
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      const abort = (): void => this.#post({ type: "abort", id });
      const settled = (): void => signal?.removeEventListener("abort", abort);
      signal?.addEventListener("abort", abort, { once: true });
      this.#calls.set(id, {
        onEvent,
        resolve: (value) => {
          settled();
          resolve(value);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#post({ type: "call", id, method, arguments: given });
    });
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "ask":
        void this.#decided(message);
        break;
      case "event":
        this.#view = message.view;
        this.#calls.get(message.id)?.onEvent?.(message.event);
        break;
      case "done":
      case "failed": {
        this.#view = message.view ?? this.#view;
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        if (message.type === "done") call?.resolve(message.value);
        else call?.reject(receivedError(message.error));
      }
    }
  }

  async #decided({ id, notice, purpose }: Extract<FromWorker, { readonly type: "ask" }>): Promise<void> {
    try {
      this.#post({ type: "decided", id, decision: await this.#decide(notice, purpose) });
    } catch (cause) {
      this.#post({ type: "undecided", id, error: sentError(cause) });
    }
  }

  #fail(event: Event): void {
    const told = "message" in event && typeof event.message === "string" ? event.message : event.type;
    this.#failure = new ClientError("WORKER", `the participant's worker failed: ${told}`);
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls) reject(this.#failure);
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message, []);
  }
}
