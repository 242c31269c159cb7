/** Which test file is run next: long ones first, and no more at a time than keep the machine's processors busy. */

interface LongFile {
  /** How long it takes when nothing else runs. */
  readonly seconds: number;
  /** How many processors it keeps busy; most wait for some of their time, for deadlines and for processes that end. */
  readonly processors: number;
}

const long = (seconds: number, processors: number): LongFile => ({ seconds, processors });

/** Measured on two processors; roughly is enough, and what is not here is short. */
export const LONG_FILES: ReadonlyMap<string, LongFile> = new Map([
  ["test/dist/src/capture/capture.slow.test.js", long(140, 1.3)],
  ["coordinator/dist/test/leadership/faults.slow.test.js", long(130, 0.5)],
  ["coordinator/dist/test/messaging/faults.slow.test.js", long(120, 0.5)],
  ["coordinator/dist/test/rounds/secure-aggregation.slow.test.js", long(80, 0.3)],
  ["coordinator/dist/test/server/killed.slow.test.js", long(70, 0.5)],
  ["test/dist/src/processes/secure.slow.test.js", long(70, 0.4)],
  ["coordinator/dist/test/server/killed-secure.slow.test.js", long(40, 0.6)],
  ["test/dist/src/transports/transports.slow.test.js", long(40, 0.8)],
  ["examples/dist/src/test/learning-app.slow.test.js", long(40, 0.6)],
  ["coordinator/dist/test/simulation/poisoned.slow.test.js", long(28, 1)],
  ["coordinator/dist/test/ledger/killed-at-step.slow.test.js", long(25, 0.5)],
  ["test/dist/src/transfer/large-model.slow.test.js", long(25, 0.8)],
  ["coordinator/dist/test/fuzz/fuzz.slow.test.js", long(25, 0.9)],
  ["examples/dist/src/test/fashion.slow.test.js", long(22, 1.7)],
  ["benchmarks/dist/src/test/utility.slow.test.js", long(20, 0.9)],
  ["examples/dist/src/test/browser-app.slow.test.js", long(20, 0.3)],
  ["coordinator/dist/test/rounds/masked-mechanisms.slow.test.js", long(18, 0.3)],
  // It computes little, but looks whether its page answers at once.
  ["test/dist/src/browser/background.test.js", long(19, 1.6)],
  ["test/dist/src/processes/secure.test.js", long(13, 0.5)],
  ["coordinator/dist/test/rounds/withdrawal.test.js", long(13, 0.4)],
  ["test/dist/src/dashboard/dashboard.test.js", long(12, 0.5)],
  ["coordinator/dist/test/messaging/aggregation.test.js", long(12, 0.3)],
  ["test/dist/src/processes/processes.test.js", long(11, 0.9)],
  ["test/dist/src/audit/report.test.js", long(11, 0.8)],
  ["coordinator/dist/test/rpc/rounds.test.js", long(10, 0.5)],
  ["examples/dist/src/test/app.test.js", long(10, 0.9)],
  ["examples/dist/src/test/demo.test.js", long(10, 1.2)],
]);
const SHORT = long(0, 0.8);

/** More than there are: those that run do not all compute at the same moment. */
const FILES_PER_PROCESSOR = 1.25;

export class Schedule {
  readonly #waiting: string[];
  readonly #capacity: number;
  #busy = 0;
  #running = 0;

  constructor(files: readonly string[], processors: number) {
    this.#waiting = [...files].sort((a, b) => measured(b).seconds - measured(a).seconds);
    this.#capacity = processors * FILES_PER_PROCESSOR;
  }

  /** The longest file that there is room for; undefined if there is none, or no room before another one has ended. */
  next(): string | undefined {
    const at = this.#waiting.findIndex(
      (file) => this.#running === 0 || this.#busy + measured(file).processors <= this.#capacity,
    );
    const [file] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (file === undefined) return undefined;
    this.#running += 1;
    this.#busy += measured(file).processors;
    return file;
  }

  ended(file: string): void {
    this.#running -= 1;
    this.#busy -= measured(file).processors;
  }
}

function measured(file: string): LongFile {
  return LONG_FILES.get(file) ?? SHORT;
}
