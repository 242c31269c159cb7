import { SecAggError } from "../errors.js";
import type { MaskAccumulator } from "../masking/accumulator.js";
import type { ShareDeal, SurvivorConfirmation, SurvivorSet } from "../messages.js";
import { survivorsTranscript } from "../transcript.js";
import { type Cohort, memberAt } from "./cohort.js";
import { abandoned, advanced, type Closed, type Receipt } from "./step.js";
import { UnmaskCollection } from "./unmask.js";

/** The masked sum, and whose vectors are in it. */
export interface MaskedSum {
  readonly cohort: Cohort;
  /** By dealer; whoever is missing was gone before anybody masked with it. */
  readonly deals: ReadonlyMap<number, ShareDeal>;
  /** By dealer and holder. */
  readonly envelopes: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;
  readonly sum: MaskAccumulator;
  /** In ascending order. */
  readonly survivors: readonly number[];
}

/** Fourth state: the survivors sign that they were all shown the same survivor set. */
export class ConfirmationsCollection implements Disposable {
  readonly type = "consistency";
  /** What every survivor is told. */
  readonly message: SurvivorSet;
  readonly #masked: MaskedSum;
  readonly #alive: ReadonlySet<number>;
  readonly #transcript: Uint8Array;
  readonly #signatures = new Map<number, Uint8Array>();
  #closed = false;

  constructor(masked: MaskedSum) {
    this.#masked = masked;
    this.#alive = new Set(masked.survivors);
    this.#transcript = survivorsTranscript(masked.cohort.parameters, masked.survivors);
    this.message = { survivors: masked.survivors };
  }

  /** Survivors that have signed. */
  get size(): number {
    return this.#signatures.size;
  }

  /** Survivors. */
  get expected(): number {
    return this.#alive.size;
  }

  /**
   * Takes one survivor's signature.
   *
   * @throws SecAggError UNKNOWN_MEMBER, BAD_SIGNATURE, WRONG_STATE when it is too late
   */
  async receive(member: number, { signature }: SurvivorConfirmation): Promise<Receipt> {
    if (this.#signatures.has(member)) return "repeated";
    this.#requireOpen();
    if (!this.#alive.has(member)) throw new SecAggError("UNKNOWN_MEMBER", `Member ${member} is no survivor.`);
    const { members, verifier } = this.#masked.cohort;
    const { devicePublicKey } = memberAt(members, member);
    if (!(await verifier.verify(devicePublicKey, this.#transcript, signature))) {
      throw new SecAggError("BAD_SIGNATURE", `Member ${member} did not sign this survivor set.`);
    }
    this.#requireOpen();
    if (this.#signatures.has(member)) return "repeated";
    this.#signatures.set(member, signature);
    return "accepted";
  }

  /**
   * Ends the step.
   *
   * @returns the next state, or abandoned TOO_FEW_SIGNATURES
   */
  close(): Closed<UnmaskCollection> {
    this.#closed = true;
    const { threshold } = this.#masked.cohort.graph;
    if (this.size < threshold) {
      this.#masked.sum.close();
      return abandoned("TOO_FEW_SIGNATURES", `${threshold} survivors must sign; ${this.size} did.`);
    }
    return advanced(new UnmaskCollection(this.#masked, this.#signatures));
  }

  /** Drops the sum of a round that is given up. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#masked.sum.close();
  }

  #requireOpen(): void {
    if (this.#closed) throw new SecAggError("WRONG_STATE", "The round no longer takes confirmations.");
  }
}
