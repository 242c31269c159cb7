import { SecAggError } from "../errors.js";
import type { MaskAccumulator } from "../masking/accumulator.js";
import { maskAccumulator } from "../masking/choose-accumulator.js";
import { requirePacked } from "../masking/packing.js";
import type { MaskedVector, SealedShares, ShareDeal, ShareDelivery } from "../messages.js";
import type { Cohort } from "./cohort.js";
import { ConfirmationsCollection } from "./consistency.js";
import { abandoned, advanced, type Closed, type Receipt } from "./step.js";

/** Third state: masked vectors are added as they come and dropped; memory does not grow with the cohort. */
export class VectorsCollection implements Disposable {
  readonly type = "masked";
  readonly cohort: Cohort;
  readonly #deals: ReadonlyMap<number, ShareDeal>;
  readonly #envelopes: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;
  readonly #sum: MaskAccumulator;
  readonly #survivors = new Set<number>();
  #closed = false;

  constructor(cohort: Cohort, deals: ReadonlyMap<number, ShareDeal>) {
    this.cohort = cohort;
    this.#deals = deals;
    this.#envelopes = new Map(
      [...deals].map(([dealer, { shares }]) => [
        dealer,
        new Map(shares.map(({ member, envelope }) => [member, envelope])),
      ]),
    );
    this.#sum = cohort.accumulator?.() ?? maskAccumulator(cohort.parameters.length, cohort.parameters.bits);
  }

  /** Vectors in the sum. */
  get size(): number {
    return this.#survivors.size;
  }

  /** Members that can still send a vector. */
  get expected(): number {
    return this.#deals.size;
  }

  /** The shares that a member's neighbours dealt it, and which neighbours are gone. */
  messageFor(member: number): ShareDelivery {
    const shares: SealedShares[] = [];
    const gone: number[] = [];
    for (const neighbour of this.cohort.graph.neighbours(member)) {
      const envelope = this.#envelopes.get(neighbour)?.get(member);
      if (envelope === undefined) gone.push(neighbour);
      else shares.push({ member: neighbour, envelope });
    }
    return { shares, gone };
  }

  /**
   * Adds one member's vector to the sum.
   *
   * @throws SecAggError UNKNOWN_MEMBER for a member that dealt no shares, WRONG_LENGTH, MALFORMED, WRONG_STATE when it
   *   is too late: its mask key may have been rebuilt, and its vector would no longer be masked by it
   */
  receive(member: number, { vector }: MaskedVector): Receipt {
    if (this.#survivors.has(member)) return "repeated";
    if (this.#closed) throw new SecAggError("WRONG_STATE", "The survivor set is fixed; this vector is dropped unread.");
    if (!this.#deals.has(member)) {
      throw new SecAggError("UNKNOWN_MEMBER", `Member ${member} dealt no shares, so nobody could unmask its vector.`);
    }
    requirePacked(vector, this.cohort.parameters.length, this.cohort.parameters.bits);
    this.#sum.addPacked(vector);
    this.#survivors.add(member);
    return "accepted";
  }

  /**
   * Ends the step: whoever has sent no vector is gone.
   *
   * @returns the next state, or abandoned TOO_FEW_SURVIVORS
   */
  close(): Closed<ConfirmationsCollection> {
    this.#closed = true;
    const needed = Math.max(this.cohort.graph.threshold, this.cohort.parameters.minimumSurvivors);
    if (this.size < needed) {
      this.#sum.close();
      return abandoned("TOO_FEW_SURVIVORS", `${needed} vectors are needed; ${this.size} came.`);
    }
    const survivors = [...this.#survivors].sort((a, b) => a - b);
    return advanced(
      new ConfirmationsCollection({
        cohort: this.cohort,
        deals: this.#deals,
        envelopes: this.#envelopes,
        sum: this.#sum,
        survivors,
      }),
    );
  }

  /** Drops the sum of a round that is given up. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#sum.close();
  }
}
