import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SecAggError } from "../errors.js";
import type { WorkerReply, WorkerRequest } from "./mask-worker.node.js";
import { splitWork } from "./split-work.js";
import type { UnmaskEngine, UnmaskOutcome, UnmaskWork } from "./unmask-engine.js";

/** How a pool is set up. */
export interface MaskPoolOptions {
  /** Worker threads; as many as the machine runs at a time when it is left out. */
  readonly workers?: number;
  /** Where the worker's script lies, for bundlers that move it. */
  readonly script?: URL;
}

/** Vectors lie outside a thread's heap. Left alone its young part would take up to 48 MB, and keep them between sums. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 6 };

interface Job {
  readonly id: number;
  readonly batches: UnmaskWork[];
  /** Threads that have taken a batch, and so keep a part of the sum. */
  readonly threads: Set<Thread>;
  readonly inconsistent: Set<number>;
  unanswered: number;
  uncollected: number;
  correction: Uint32Array | undefined;
  readonly resolve: (outcome: UnmaskOutcome) => void;
  readonly reject: (error: SecAggError) => void;
}

interface Thread {
  worker: Worker;
  ready: boolean;
  /** The job whose batch it is working on. */
  job: number | undefined;
}

/**
 * Unmasks on worker threads: rebuilding secrets, agreeing on keys and making masks all happen there, so that the event
 * loop only hands out batches and adds one vector per thread. Several sums can be under way.
 */
export class MaskPool implements UnmaskEngine, AsyncDisposable {
  readonly #script: URL;
  readonly #threads: Thread[];
  readonly #jobs = new Map<number, Job>();
  readonly #waiting: (() => void)[] = [];
  #nextJob = 0;
  #closed = false;

  constructor(options: MaskPoolOptions = {}) {
    this.#script = options.script ?? new URL("./mask-worker.node.js", import.meta.url);
    this.#threads = Array.from({ length: options.workers ?? availableParallelism() }, () => this.#start());
  }

  /** Resolves when every thread has loaded its code; work can be handed in before. */
  async ready(): Promise<void> {
    while (!this.#closed && this.#threads.some((thread) => !thread.ready)) {
      for (const { worker } of this.#threads) worker.ref();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#updateReferences();
  }

  run(work: UnmaskWork, signal?: AbortSignal): Promise<UnmaskOutcome> {
    if (this.#closed) return Promise.reject(new SecAggError("WRONG_STATE", "This pool is closed; start another."));
    if (signal?.aborted) return Promise.reject(cancelled(signal));
    const batches = splitWork(work, this.#threads.length);
    if (batches.length === 0) {
      return Promise.resolve({ correction: new Uint32Array(work.parameters.length), inconsistent: [] });
    }
    const id = this.#nextJob++;
    const onAbort = (): void => this.#fail(id, cancelled(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
    return new Promise<UnmaskOutcome>((resolve, reject) => {
      this.#jobs.set(id, {
        id,
        batches,
        threads: new Set(),
        inconsistent: new Set(),
        unanswered: batches.length,
        uncollected: 0,
        correction: undefined,
        resolve,
        reject,
      });
      this.#updateReferences();
      this.#dispatch();
    }).finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Ends the threads. Sums under way are refused with CANCELLED. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (const id of [...this.#jobs.keys()]) this.#fail(id, new SecAggError("CANCELLED", "The pool was closed."));
    this.#updateReferences();
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): Thread {
    const thread: Thread = {
      worker: new Worker(this.#script, { resourceLimits: RESOURCE_LIMITS }),
      ready: false,
      job: undefined,
    };
    this.#listen(thread);
    thread.worker.unref();
    return thread;
  }

  #listen(thread: Thread): void {
    const { worker } = thread;
    worker.on("message", (reply: WorkerReply) => this.#receive(thread, reply));
    worker.on("error", (cause) => this.#restart(thread, worker, cause));
    worker.on("exit", () => this.#restart(thread, worker, undefined));
  }

  /** A thread that died takes its parts of sums along: its jobs fail, and a fresh thread takes its place. */
  #restart(thread: Thread, died: Worker, cause: unknown): void {
    if (this.#closed || thread.worker !== died) return;
    thread.worker = new Worker(this.#script, { resourceLimits: RESOURCE_LIMITS });
    thread.ready = false;
    thread.job = undefined;
    this.#listen(thread);
    this.#updateReferences();
    for (const job of [...this.#jobs.values()]) {
      if (!job.threads.has(thread)) continue;
      this.#fail(
        job.id,
        new SecAggError("WORKER_FAILED", "A masking thread died. Unmask again, or give up.", { cause }),
      );
    }
    this.#dispatch();
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.job !== undefined) continue;
      for (const job of this.#jobs.values()) {
        const work = job.batches.pop();
        if (work === undefined) continue;
        thread.job = job.id;
        job.threads.add(thread);
        this.#send(thread, { type: "remove", job: job.id, work });
        break;
      }
    }
  }

  #receive(thread: Thread, reply: WorkerReply): void {
    if (reply.type === "ready") {
      thread.ready = true;
      for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    const job = this.#jobs.get(reply.job);
    if (reply.type !== "collected") {
      thread.job = undefined;
      if (reply.type === "failed") this.#fail(reply.job, new SecAggError("WORKER_FAILED", reply.message));
      else if (job === undefined) this.#send(thread, { type: "drop", job: reply.job });
      else this.#removed(job, reply.inconsistent);
      this.#dispatch();
      return;
    }
    if (job !== undefined) this.#collected(job, reply.correction);
  }

  #removed(job: Job, inconsistent: readonly number[]): void {
    for (const member of inconsistent) job.inconsistent.add(member);
    if (--job.unanswered > 0) return;
    job.uncollected = job.threads.size;
    for (const thread of job.threads) this.#send(thread, { type: "collect", job: job.id });
  }

  #collected(job: Job, correction: Uint32Array): void {
    if (job.correction === undefined) job.correction = correction;
    else {
      const sum = job.correction;
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (correction[i] ?? 0);
      correction.fill(0);
    }
    if (--job.uncollected > 0) return;
    this.#jobs.delete(job.id);
    this.#updateReferences();
    job.resolve({ correction: job.correction, inconsistent: [...job.inconsistent].sort((a, b) => a - b) });
  }

  #fail(id: number, error: SecAggError): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    // A thread that is still at it drops its part when it answers.
    for (const thread of job.threads) {
      if (thread.job !== id) this.#send(thread, { type: "drop", job: id });
    }
    this.#updateReferences();
    job.reject(error);
  }

  /** Threads keep the process alive only while somebody waits for a sum, or for their end. */
  #updateReferences(): void {
    for (const { worker } of this.#threads) {
      if (this.#jobs.size > 0 || this.#closed) worker.ref();
      else worker.unref();
    }
  }

  #send(thread: Thread, request: WorkerRequest): void {
    thread.worker.postMessage(request);
  }
}

function cancelled(signal: AbortSignal | undefined): SecAggError {
  return new SecAggError("CANCELLED", "The caller cancelled unmasking.", { cause: signal?.reason });
}
