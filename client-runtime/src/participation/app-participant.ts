import type { BudgetReport } from "../guard/budget.js";
import type { PinnedLog } from "../guard/receipt.js";
import type { OwnConsent, OwnReceipt } from "../identity/device-state.js";
import type { ReleasedModel } from "../models/released-model.js";
import type { ParticipationEvent } from "./events.js";
import type { ParticipantExport } from "./participant.js";
import type { ErasureReceipt } from "./subject-rights.js";

/** What every call takes. */
export interface Abortable {
  readonly signal?: AbortSignal;
}

/** What an export takes. */
export interface ExportOptions extends Abortable {
  /** Asks the device alone: without the coordinator's part. */
  readonly local?: boolean;
}

type Eventually<T> = T | Promise<T>;

/**
 * A participant as an app sees it, whether it lives in the app's own thread (`Participant`) or in a worker
 * (`WorkerParticipant`). Code that awaits what it reads runs with both.
 */
export interface AppParticipant {
  /** The pseudonym under which the ledger knows this participant: base64url of 16 bytes. */
  readonly subject: string;
  /** The latest decision about each purpose. */
  readonly consents: { readonly [purpose: string]: OwnConsent };
  /** The log as it is pinned. */
  readonly log: PinnedLog;
  run(options?: Abortable): AsyncGenerator<ParticipationEvent>;
  model(options?: Abortable): Promise<ReleasedModel | undefined>;
  receipts(): Eventually<readonly OwnReceipt[]>;
  budget(delta?: number): Promise<BudgetReport>;
  ask(purpose: string, options?: Abortable): Promise<void>;
  withdraw(purpose?: string, options?: Abortable): Promise<void>;
  export(options?: ExportOptions): Promise<ParticipantExport>;
  forkEvidence(): Promise<string | undefined>;
  leave(options?: Abortable): Promise<void>;
  erase(options?: Abortable): Promise<ErasureReceipt>;
}
