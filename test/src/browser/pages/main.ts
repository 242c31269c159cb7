// A page that does what its test says, and tells what it saw.
import {
  type BudgetReport,
  type DeviceConditions,
  type OwnReceipt,
  type ParticipantExport,
  type ParticipationEvent,
  SettableConditions,
} from "@fedloop/client-runtime";
import { browserSigner } from "@fedloop/client-runtime/browser";
import { WorkerParticipant } from "@fedloop/client-runtime/worker";
import type { PageSettings } from "./settings.js";

/** What a test can ask of the page. */
export interface TestPage {
  readonly conditions: SettableConditions;
  readonly events: readonly ParticipationEvent[];
  readonly longTasks: readonly number[];
  /** How the run ended; undefined while it goes on. */
  ended(): string | undefined;
  join(data: PageSettings): Promise<string>;
  /** Takes part until there is no more to do. */
  run(): Promise<void>;
  setConditions(conditions: DeviceConditions): void;
  parameters(): Promise<number[]>;
  budget(): Promise<BudgetReport>;
  receipts(): Promise<readonly OwnReceipt[]>;
  export(): Promise<ParticipantExport>;
  withdraw(): Promise<void>;
  leave(): Promise<void>;
  close(): Promise<void>;
  /** What comes of reading a device's private key. */
  readKey(device: string): Promise<string>;
}

/** Tasks of the page's own thread above 50 ms, in milliseconds. */
const longTasks: number[] = [];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) longTasks.push(duration);
}).observe({ type: "longtask" });

const conditions = new SettableConditions();
let participant: WorkerParticipant | undefined;
const events: ParticipationEvent[] = [];
let ended: string | undefined;

function present(): WorkerParticipant {
  if (participant === undefined) throw new Error("expected join before");
  return participant;
}

const testPage: TestPage = {
  conditions,
  events,
  longTasks,
  ended: () => ended,
  setConditions: (told) => conditions.set(told),
  async join(data) {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    participant = await WorkerParticipant.join({ worker, data, decide: () => true, conditions });
    return participant.subject;
  },
  async run() {
    try {
      for await (const event of present().run()) events.push(event);
      ended = "in order";
    } catch (cause) {
      ended = cause instanceof Error ? cause.message : String(cause);
    }
  },
  async parameters() {
    return [...((await present().model())?.parameters ?? [])];
  },
  budget: () => present().budget(),
  receipts: () => present().receipts(),
  export: () => present().export(),
  withdraw: () => present().withdraw(),
  leave: () => present().leave(),
  close: () => present().close(),
  async readKey(device) {
    const signer = await browserSigner(device);
    if (!("keyPair" in signer)) return "sealed";
    const { privateKey } = signer.keyPair as CryptoKeyPair;
    return crypto.subtle.exportKey("pkcs8", privateKey).then(
      () => "readable",
      (cause: unknown) => (cause instanceof Error ? cause.name : String(cause)),
    );
  },
};

Object.assign(globalThis, { testPage });
