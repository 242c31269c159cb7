import { Worker } from "node:worker_threads";
import { CoordinatorError } from "../../errors.js";
import type { FromThread, GroupTask, RoundTask, ThreadSetting, ToThread } from "./messages.js";

/** Test examples of one piece of scoring. A fixed size, so that sums do not depend on the number of threads. */
const PIECE = 1_024;

interface Thread {
  readonly worker: Worker;
  /** What its messages are for now. */
  listen: ((message: FromThread) => void) | undefined;
  /** Whether it has said that it is ready. */
  readonly ready: Promise<void>;
}

/**
 * The threads that stand for all devices. A device is always at the same thread, device modulo threads, since what it keeps from
 * round to round lies there. What a device makes depends on its number, the round and the seed, so never on the number of threads.
 */
export class DeviceThreads implements AsyncDisposable {
  readonly #threads: readonly Thread[];
  #failure: CoordinatorError | undefined;
  #fail: (cause: CoordinatorError) => void = () => undefined;
  readonly #failed: Promise<never>;

  constructor(count: number, setting: ThreadSetting, signal: AbortSignal) {
    this.#failed = new Promise((_, reject) => {
      this.#fail = (cause) => {
        this.#failure ??= cause;
        reject(cause);
      };
    });
    this.#failed.catch(() => undefined);
    this.#threads = Array.from({ length: count }, () => this.#start(setting));
    const stop = (): void => this.#fail(new CoordinatorError("CANCELLED", "stopped before the end"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  }

  /** @throws CoordinatorError ROUND_FAILED, CANCELLED */
  async ready(): Promise<void> {
    await this.#until(Promise.all(this.#threads.map(({ ready }) => ready)));
  }

  /**
   * Trains devices, and gives each one's update to `take` in the order of `devices`, whichever is done first.
   *
   * @throws CoordinatorError ROUND_FAILED, CANCELLED
   */
  async train(
    task: RoundTask,
    devices: readonly number[],
    take: (device: number, update: Uint8Array | Int32Array | null) => void,
  ): Promise<void> {
    const early = new Map<number, Uint8Array | Int32Array | null>();
    let next = 0;
    const arrived = (device: number, update: Uint8Array | Int32Array | null): void => {
      early.set(device, update);
      for (let due = devices[next]; due !== undefined; due = devices[++next]) {
        const held = early.get(due);
        if (held === undefined) return;
        early.delete(due);
        take(due, held);
      }
    };
    const parts = this.#threads.map((thread, number) => {
      const own = devices.filter((device) => device % this.#threads.length === number);
      return own.length === 0
        ? Promise.resolve()
        : ask(thread, { type: "train", task, devices: own }, (message) => {
            if (message.type === "update") arrived(message.device, message.update);
            return message.type === "done";
          });
    });
    await this.#until(Promise.all(parts));
  }

  /** How many there are. */
  get count(): number {
    return this.#threads.length;
  }

  /**
   * Runs the protocol of secure aggregation in groups, as many at a time as there are threads.
   *
   * @returns each group's sum, or null where too many were gone
   * @throws CoordinatorError ROUND_FAILED, CANCELLED
   */
  async sumMasked(tasks: readonly GroupTask[]): Promise<readonly (Int32Array | null)[]> {
    const sums: (Int32Array | null)[] = tasks.map(() => null);
    const waiting = [...tasks.entries()];
    const parts = this.#threads.map(async (thread) => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [place, task] = next;
        await ask(thread, { type: "sum", task }, (message) => {
          if (message.type !== "summed") return false;
          sums[place] = message.sum;
          return true;
        });
      }
    });
    await this.#until(Promise.all(parts));
    return sums;
  }

  /**
   * Mean loss and share predicted right over all test examples.
   *
   * @throws CoordinatorError ROUND_FAILED, CANCELLED
   */
  async score(
    model: Pick<RoundTask, "manifest" | "parameters">,
    examples: number,
  ): Promise<{ readonly loss: number; readonly accuracy: number }> {
    const pieces = Array.from({ length: Math.ceil(examples / PIECE) }, (_, piece) => piece);
    const losses = new Float64Array(pieces.length);
    let right = 0;
    const parts = this.#threads.map(async (thread) => {
      for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
        const from = piece * PIECE;
        const own = piece;
        await ask(thread, { type: "score", ...model, from, to: Math.min(from + PIECE, examples) }, (message) => {
          if (message.type !== "scored") return false;
          losses[own] = message.loss;
          right += message.right;
          return true;
        });
      }
    });
    await this.#until(Promise.all(parts));
    return { loss: losses.reduce((sum, loss) => sum + loss, 0) / examples, accuracy: right / examples };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  async #until<Value>(work: Promise<Value>): Promise<Value> {
    work.catch(() => undefined);
    if (this.#failure !== undefined) throw this.#failure;
    return Promise.race([work, this.#failed]);
  }

  #start(setting: ThreadSetting): Thread {
    const worker = new Worker(new URL("./thread-main.js", import.meta.url), { workerData: setting });
    let isReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    const thread: Thread = { worker, listen: undefined, ready };
    worker.on("message", (message: FromThread) => {
      if (message.type === "ready") isReady();
      else if (message.type === "failed") {
        this.#fail(
          new CoordinatorError("ROUND_FAILED", `a simulated device failed with ${message.code}: ${message.message}`),
        );
      } else thread.listen?.(message);
    });
    worker.on("error", (cause) => {
      this.#fail(new CoordinatorError("ROUND_FAILED", `a thread of the simulation ended: ${cause.message}`, { cause }));
    });
    return thread;
  }
}

/** Sends one message and hears what comes back until `isLast` says so. */
function ask(thread: Thread, message: ToThread, isLast: (message: FromThread) => boolean): Promise<void> {
  return new Promise((resolve) => {
    thread.listen = (answer) => {
      if (!isLast(answer)) return;
      thread.listen = undefined;
      resolve();
    };
    thread.worker.postMessage(message);
  });
}
