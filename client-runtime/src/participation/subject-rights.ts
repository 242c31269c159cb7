// What a participant may ask of the coordinator about itself: access, and erasure. One call each, with a receipt.
import {
  decodeBase64Url,
  type Entry,
  type EntryReader,
  encodeBase64Url,
  formatStoredProof,
  readConsentEntry,
  readErasureEntry,
  verifyEntrySignature,
  verifyExport,
} from "@fedloop/consent";
import { Consent, type EraseResponse, type LogReceipt } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { type LoggedEntry, openReceipt } from "../guard/receipt.js";
import type { StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import type { Consenting } from "./consenting.js";

/** What the coordinator holds about the participant. `verifyExport` of @fedloop/consent checks the receipt offline. */
export interface CoordinatorExport {
  /** Canonical JSON, as the coordinator sent it. */
  readonly document: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** By the operator's key over log, subject, time and the document's hash; base64url. */
  readonly signature: string;
}

/** Proof of an erasure. `verifyReceipt` of @fedloop/consent checks each text offline. */
export interface ErasureReceipt {
  readonly subject: string;
  /** The erasure entry with its inclusion proof and checkpoint, a C2SP tlog-proof. */
  readonly erasure: string;
  /** The same for each withdrawal that went with it. */
  readonly withdrawals: readonly string[];
}

export interface SubjectRightsDependencies {
  readonly client: CoordinatorClient;
  readonly keeper: StateKeeper;
  readonly log: LogView;
  readonly consenting: Consenting;
}

/** The participant's rights of access and erasure, as calls. */
export class SubjectRights {
  readonly #dependencies: SubjectRightsDependencies;

  constructor(dependencies: SubjectRightsDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws ClientError BAD_RECEIPT, and those of the call */
  async export(signal?: AbortSignal): Promise<CoordinatorExport> {
    const { client, keeper, log } = this.#dependencies;
    const { document, timeMs, signature } = await client.call(Consent.method.export, {}, signal);
    const { subject, log: pinned } = keeper.current;
    const claim = { log: pinned.origin, subject, timeMs: Number(timeMs), document };
    if (!(await verifyExport(claim, signature, this.#operatorKey(), log.verifier))) {
      throw new ClientError("BAD_RECEIPT", "expected the operator's signature over the export, it does not verify");
    }
    return {
      document: new TextDecoder().decode(document),
      timeMs: claim.timeMs,
      signature: encodeBase64Url(signature),
    };
  }

  /**
   * Withdraws from the purposes and has the participant erased.
   *
   * @throws ClientError BAD_RECEIPT, and those of the call
   */
  async erase(purposes: readonly string[], signal?: AbortSignal): Promise<ErasureReceipt> {
    const { client, consenting, keeper } = this.#dependencies;
    const send = (withdrawals: Uint8Array[]) => client.call(Consent.method.erase, { withdrawals }, signal);
    let answer: Pick<EraseResponse, "withdrawals" | "erasure">;
    try {
      answer = await consenting.withdrawing(purposes, send, signal);
    } catch (cause) {
      if (!(cause instanceof ClientError) || cause.remoteCode !== "ERASED") throw cause;
      // Done by an earlier call whose answer was lost.
      const { subject } = keeper.current;
      answer = { withdrawals: [], ...(await client.open(Consent.method.getErasure, { subject }, signal)) };
    }
    return this.#receiptOf(answer);
  }

  async #receiptOf({ withdrawals, erasure }: Pick<EraseResponse, "withdrawals" | "erasure">): Promise<ErasureReceipt> {
    const { subject } = this.#dependencies.keeper.current;
    const { entry } = await this.#open(erasure, readErasureEntry);
    const isSaid = entry.body.subject === subject;
    if (!isSaid || !(await verifyEntrySignature(entry, this.#operatorKey(), this.#dependencies.log.verifier))) {
      throw new ClientError(
        "BAD_RECEIPT",
        "expected the operator's entry that this participant was erased, came another",
      );
    }
    for (const receipt of withdrawals) {
      const withdrawal = (await this.#open(receipt, readConsentEntry)).entry;
      if (withdrawal.type === "consent.withdrawn" && withdrawal.actor === subject) continue;
      throw new ClientError("BAD_RECEIPT", "expected receipts for this participant's withdrawals, came others");
    }
    return { subject, erasure: proofText(erasure), withdrawals: withdrawals.map(proofText) };
  }

  async #open<E extends Entry>(receipt: LogReceipt | undefined, read: EntryReader<E>): Promise<LoggedEntry<E>> {
    const { keeper, log } = this.#dependencies;
    if (receipt === undefined) throw new ClientError("BAD_RECEIPT", "expected a receipt, came none");
    try {
      const logged = await openReceipt(receipt, keeper.current.log, log.verifier, read);
      await log.advance(logged.checkpoint);
      return logged;
    } catch (cause) {
      if (cause instanceof ClientError && cause.code === "GUARD_FORK") throw cause;
      throw new ClientError("BAD_RECEIPT", "expected proof that the entry is in the log, it does not hold", { cause });
    }
  }

  #operatorKey(): Uint8Array {
    const key = this.#dependencies.keeper.current.policy?.operatorKey;
    if (key === undefined)
      throw new ClientError("BAD_RECEIPT", "expected a policy with the operator's key, there is none");
    return decodeBase64Url(key);
  }
}

function proofText(receipt: LogReceipt | undefined): string {
  if (receipt === undefined) throw new ClientError("BAD_RECEIPT", "expected a receipt, came none");
  const { entry, index, inclusionPath, checkpoint } = receipt;
  return formatStoredProof({ extra: entry, index: Number(index), path: inclusionPath, checkpoint });
}
