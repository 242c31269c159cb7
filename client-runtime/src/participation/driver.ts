// Carries out what the participation machine decides: calls, waits, training, in the order in which it asks for them.
import { Rounds } from "@fedloop/proto";
import { ClientError, isGuardCode } from "../errors.js";
import { ownConsent } from "./consenting.js";
import type { ParticipationEvent } from "./events.js";
import { newParticipation, stepParticipation } from "./machine.js";
import type { Participation, ParticipationEffect, ParticipationMessage } from "./phases.js";
import { settleCharge } from "./settle-charge.js";
import { type ParticipationDependencies, ParticipationTasks } from "./tasks.js";
import { failureOf, newsOf } from "./translation.js";
import { watchRounds } from "./watch.js";

/** Why tasks are aborted. Without a reason each abort would make an exception with its stack, for nobody to read. */
const ENDED = "ended";

/** One run of a participant, from its start until the coordinator, the app or the participant ends it. */
export class Driver {
  readonly #dependencies: ParticipationDependencies;
  readonly #tasks: ParticipationTasks;
  /** Ends the stream of round events. */
  readonly #run = new AbortController();
  readonly #mailbox: ParticipationMessage[] = [];
  readonly #events: ParticipationEvent[] = [];
  /** Purposes withdrawn in this run, from the moment of the participant's word on. */
  readonly #withdrawn = new Set<string>();
  #participation: Participation = newParticipation;
  /** Ends the task under way; undefined when none is. */
  #task: AbortController | undefined;
  #isWatching = false;
  #isOver = false;
  /** What ends the run, beside the coordinator's word. */
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(dependencies: ParticipationDependencies) {
    this.#dependencies = dependencies;
    this.#tasks = new ParticipationTasks(dependencies, {
      isConsented: (purpose) => this.#isConsented(purpose),
      tell: (event) => this.#tell(event),
    });
  }

  /**
   * Takes part. The events must be read for rounds to go on; leaving the loop ends the run and gives a place in a round
   * back.
   */
  async *events(signal: AbortSignal | undefined): AsyncGenerator<ParticipationEvent> {
    const stop = (): void => {
      this.#isOver = true;
      this.#stop();
      this.#wake?.();
    };
    if (signal?.aborted === true) return;
    signal?.addEventListener("abort", stop, { once: true });
    this.#post({ type: "started" });
    try {
      while (!this.#isOver || this.#events.length > 0) {
        if (this.#failure !== undefined) throw this.#failure;
        const event = this.#events.shift();
        if (event !== undefined) {
          yield event;
          continue;
        }
        const message = this.#mailbox.shift();
        if (message === undefined) await this.#mail();
        else this.#handle(message);
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#end();
    }
  }

  /** The participant has withdrawn; what runs for these purposes ends now. */
  withdraw(purposes: readonly string[]): void {
    for (const purpose of purposes) this.#withdrawn.add(purpose);
    this.#tasks.forget();
    const { phase } = this.#participation;
    if ("plan" in phase && this.#withdrawn.has(phase.plan.body.purpose)) this.#task?.abort(ENDED);
    const { consents } = this.#dependencies.keeper.current;
    const remaining = Object.keys(consents).filter((purpose) => this.#isConsented(purpose)).length;
    this.#post({ type: "withdrawn", purposes, remaining });
  }

  /** Tells the app, in order with what happens in rounds. */
  tell(event: ParticipationEvent): void {
    this.#tell(event);
  }

  #isConsented(purpose: string): boolean {
    return !this.#withdrawn.has(purpose) && ownConsent(this.#dependencies.keeper.current, purpose)?.state === "given";
  }

  #post(message: ParticipationMessage): void {
    this.#mailbox.push(message);
    this.#wake?.();
  }

  #tell(event: ParticipationEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  #mail(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #handle(message: ParticipationMessage): void {
    const { participation, effects } = stepParticipation(this.#participation, message);
    this.#participation = participation;
    // Whatever ended the round for this device, its secrets end with it.
    const { type } = participation.phase;
    if (type !== "working" && type !== "securing") this.#tasks.erase();
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ParticipationEffect): void {
    switch (effect.type) {
      case "rest":
      case "checkIn":
      case "verify":
      case "work":
      case "submit":
      case "secure":
        this.#start(effect.task, (signal) => this.#tasks.answerTo(effect, signal));
        break;
      case "stop":
        this.#task?.abort(ENDED);
        break;
      case "watch":
        this.#watch();
        break;
      case "settle":
        this.#settle(effect.round);
        break;
      case "leave":
        this.#leave(effect.round, effect.reason);
        break;
      case "emit":
        this.#tell(effect.event);
        break;
      case "fail": {
        const { code, message } = effect.failure;
        throw new ClientError(isGuardCode(code) ? code : "REMOTE", message, { remoteCode: code });
      }
      case "finish":
        this.#isOver = true;
        break;
    }
  }

  /** Starts a task in the place of the one before; its answer, or why there is none, comes as a message. */
  #start(task: number, work: (signal: AbortSignal) => Promise<ParticipationMessage>): void {
    this.#task?.abort(ENDED);
    const controller = new AbortController();
    this.#task = controller;
    const end = (): void => {
      if (this.#task === controller) this.#task = undefined;
    };
    work(controller.signal).then(
      (message) => {
        end();
        this.#post(message);
      },
      (cause) => {
        end();
        if (!controller.signal.aborted) this.#post({ type: "failed", task, failure: failureOf(cause) });
      },
    );
  }

  #stop(): void {
    this.#run.abort(ENDED);
    this.#task?.abort(ENDED);
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { client, keeper, clock, random, retry } = this.#dependencies;
    const { population } = keeper.current;
    void watchRounds(
      { client, population, clock, random, retry, knownTreeSize: () => keeper.current.checkpoint?.size ?? 0 },
      (event) => this.#post({ type: "news", news: newsOf(event, keeper.current.checkpoint) }),
      (isOpen) => this.#post({ type: isOpen ? "watchOpened" : "watchBroken" }),
      this.#run.signal,
    ).catch((cause: unknown) => {
      this.#failure = cause;
      this.#wake?.();
    });
  }

  #settle(round: number): void {
    // When the store fails here the charge just stays unsettled: the log is asked when it matters.
    settleCharge(this.#dependencies.keeper, round, false).catch(() => {});
  }

  /** A courtesy: the round need not wait for this device. Whether it arrives changes nothing here. */
  #leave(round: number, reason: string): void {
    const { client, keeper } = this.#dependencies;
    const { population } = keeper.current;
    client.call(Rounds.method.leave, { population, round: BigInt(round), reason }).catch(() => {});
  }

  #end(): void {
    const { phase } = this.#participation;
    if (phase.type === "joining" || phase.type === "joined" || phase.type === "working" || phase.type === "securing") {
      this.#leave(phase.plan.round, "ABORTED");
    }
    this.#tasks.erase();
    this.#tasks.forget();
    this.#stop();
    this.#mailbox.length = 0;
  }
}
