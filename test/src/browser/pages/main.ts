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
import { type PageSettings, VIOLATIONS } from "./settings.js";

/** What a test can ask of the page. */
export interface TestPage {
  readonly conditions: SettableConditions;
  readonly events: readonly ParticipationEvent[];
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
  /** From the next training on the page's own thread does nothing but wait for this address to answer. */
  blockUntil(url: string): void;
  /** What the content security policy kept from page and worker. */
  readonly violations: readonly string[];
  /** Failures of the suite of stores, over IndexedDB; empty when there are none. */
  storeFailures(): Promise<string[]>;
  /** What is wrong with the keys of this browser; empty when nothing is. */
  keyFailures(): Promise<string[]>;
  /** Follows what the browser tells of the device, in `told`. */
  follow(inUseMs: number): Promise<void>;
  readonly told: DeviceConditions[];
  /** What comes of reading a device's private key. */
  readKey(device: string): Promise<string>;
}

const violations: string[] = [];
addEventListener("securitypolicyviolation", ({ blockedURI }) => violations.push(blockedURI));
new BroadcastChannel(VIOLATIONS).addEventListener("message", ({ data }) => violations.push(String(data)));

let blockingUrl: string | undefined;

/** A request that holds the thread: whatever goes on meanwhile goes on without the page. */
function block(): void {
  if (blockingUrl === undefined) return;
  const request = new XMLHttpRequest();
  request.open("GET", blockingUrl, false);
  blockingUrl = undefined;
  request.send();
}

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
  violations,
  blockUntil: (url) => {
    blockingUrl = url;
  },
  storeFailures: async () => (await import("./stores.js")).storeFailures(),
  told: [],
  keyFailures: async () => (await import("./device.js")).keyFailures(),
  follow: async (inUseMs) => {
    const { followConditions } = await import("./device.js");
    Object.assign(testPage, { told: followConditions(inUseMs) });
  },
  ended: () => ended,
  setConditions: (told) => conditions.set(told),
  async join(data) {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    participant = await WorkerParticipant.join({ worker, data, decide: () => true, conditions });
    return participant.subject;
  },
  async run() {
    try {
      for await (const event of present().run()) {
        events.push(event);
        if (event.type === "training") block();
      }
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
