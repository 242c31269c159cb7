import { hex } from "../crypto/key-agreement.js";
import { ENVELOPE_BYTES } from "../envelope.js";
import { SecAggError } from "../errors.js";
import { sameBytes, sameMembers } from "../members.js";
import type { NeighbourList, ShareDeal } from "../messages.js";
import { type Cohort, memberAt } from "./cohort.js";
import { VectorsCollection } from "./masked.js";
import { abandoned, advanced, type Closed, type Receipt } from "./step.js";

const COMMITMENT_BYTES = 32;

/** Second state: devices know their neighbours and deal them shares. */
export class SharesCollection {
  readonly type = "shares";
  readonly cohort: Cohort;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #deals = new Map<number, ShareDeal>();
  #closed = false;

  constructor(cohort: Cohort) {
    this.cohort = cohort;
    this.#numbers = new Map(cohort.members.map((member, number) => [hex(member.devicePublicKey), number]));
  }

  /** Devices that have dealt their shares. */
  get size(): number {
    return this.#deals.size;
  }

  /** The number that a device has from here on, or undefined when it is not in the cohort. */
  memberOf(devicePublicKey: Uint8Array): number | undefined {
    return this.#numbers.get(hex(devicePublicKey));
  }

  /** What a member is told about its neighbours. */
  messageFor(member: number): NeighbourList {
    const { graph, members } = this.cohort;
    return {
      member,
      cohortSize: graph.members,
      threshold: graph.threshold,
      neighbours: graph.neighbours(member).map((neighbour) => {
        const { devicePublicKey, advertisement } = memberAt(members, neighbour);
        return { member: neighbour, devicePublicKey, ...advertisement };
      }),
    };
  }

  /**
   * Takes one member's shares.
   *
   * @throws SecAggError UNKNOWN_MEMBER, MALFORMED, WRONG_LENGTH, CONFLICT, WRONG_STATE when it is too late
   */
  receive(member: number, deal: ShareDeal): Receipt {
    memberAt(this.cohort.members, member);
    const known = this.#deals.get(member);
    if (known !== undefined) {
      if (sameDeal(known, deal)) return "repeated";
      throw new SecAggError("CONFLICT", "This device dealt other shares before; a device deals once a round.");
    }
    if (this.#closed)
      throw new SecAggError("WRONG_STATE", "The round no longer takes shares. Wait for the next round.");
    checkDeal(deal, this.cohort.graph.neighbours(member));
    this.#deals.set(member, deal);
    return "accepted";
  }

  /**
   * Ends the step: whoever has dealt no shares is gone.
   *
   * @returns the next state, or abandoned TOO_FEW_SHARERS
   */
  close(): Closed<VectorsCollection> {
    this.#closed = true;
    const needed = Math.max(this.cohort.graph.threshold, this.cohort.parameters.minimumSurvivors);
    if (this.size < needed) {
      return abandoned("TOO_FEW_SHARERS", `${needed} devices must deal shares; ${this.size} did.`);
    }
    return advanced(new VectorsCollection(this.cohort, this.#deals));
  }
}

function checkDeal(deal: ShareDeal, neighbours: readonly number[]): void {
  if (deal.selfMaskCommitment.length !== COMMITMENT_BYTES) {
    throw new SecAggError(
      "WRONG_LENGTH",
      `A commitment has ${COMMITMENT_BYTES} bytes; this has ${deal.selfMaskCommitment.length}.`,
    );
  }
  const holders = deal.shares.map((share) => share.member);
  if (!sameMembers(holders, neighbours)) {
    throw new SecAggError("MALFORMED", "Shares go to each neighbour once, in ascending order.");
  }
  const wrong = deal.shares.find((share) => share.envelope.length !== ENVELOPE_BYTES);
  if (wrong !== undefined) {
    throw new SecAggError("WRONG_LENGTH", `An envelope has ${ENVELOPE_BYTES} bytes; one has ${wrong.envelope.length}.`);
  }
}

function sameDeal(a: ShareDeal, b: ShareDeal): boolean {
  return (
    sameBytes(a.selfMaskCommitment, b.selfMaskCommitment) &&
    a.shares.length === b.shares.length &&
    a.shares.every((share, i) => {
      const other = b.shares[i];
      return other !== undefined && other.member === share.member && sameBytes(other.envelope, share.envelope);
    })
  );
}
