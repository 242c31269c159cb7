import { decodeEnvelope, SHARE_BYTES } from "../envelope.js";
import { SecAggError } from "../errors.js";
import { centre } from "../masking/packing.js";
import { requireMembers, sameBytes } from "../members.js";
import type { SurvivorConfirmations, UnmaskAnswer, UnmaskShare } from "../messages.js";
import { type ShareKind, shareCommitment } from "../transcript.js";
import { memberAt } from "./cohort.js";
import type { MaskedSum } from "./consistency.js";
import { type Abandoned, abandoned, type Receipt } from "./step.js";
import type { PackedShares, UnmaskEngine, UnmaskTask } from "./unmask-engine.js";

/** A share that is not the one its dealer committed to. The holder checked it when it came, so the holder changed it. */
export interface FalseShare {
  readonly holder: number;
  readonly dealer: number;
}

/** The sum of the survivors' vectors. */
export interface SecureSum {
  readonly type: "finished";
  /** Σ x over the survivors, as the signed integers nearest to 0 modulo 2^bits. */
  readonly sum: Int32Array;
  readonly survivors: readonly number[];
  readonly falseShares: readonly FalseShare[];
}

/** Shares of one secret, up to the threshold. */
interface CollectedShares extends PackedShares {
  readonly coordinates: number[];
}

/** Last state: devices reveal the shares of what is to be taken out of the sum. */
export class UnmaskCollection implements Disposable {
  readonly type = "unmask";
  readonly #masked: MaskedSum;
  readonly #confirmations: ReadonlyMap<number, Uint8Array>;
  /** What is needed of each dealer: its self-mask seed if it survived, its mask key if it is gone. */
  readonly #needed: ReadonlyMap<number, ShareKind>;
  readonly #shares = new Map<number, CollectedShares>();
  readonly #answered = new Set<number>();
  readonly #falseShares: FalseShare[] = [];
  #missing: number;
  #closed = false;

  constructor(masked: MaskedSum, confirmations: ReadonlyMap<number, Uint8Array>) {
    this.#masked = masked;
    this.#confirmations = confirmations;
    this.#needed = neededSecrets(masked);
    this.#missing = this.#needed.size;
  }

  /** Survivors that have answered. */
  get size(): number {
    return this.#answered.size;
  }

  /** Survivors that were asked: those that signed. */
  get expected(): number {
    return this.#confirmations.size;
  }

  /** Whether there are enough shares of every secret; later answers change nothing. */
  get sufficient(): boolean {
    return this.#missing === 0;
  }

  /** The signatures over the survivor set that a member's neighbours gave. */
  messageFor(member: number): SurvivorConfirmations {
    const signatures: { member: number; signature: Uint8Array }[] = [];
    for (const neighbour of this.#masked.cohort.graph.neighbours(member)) {
      const signature = this.#confirmations.get(neighbour);
      if (signature !== undefined) signatures.push({ member: neighbour, signature });
    }
    return { signatures };
  }

  /**
   * Takes one survivor's shares. False ones are named and left out.
   *
   * @throws SecAggError UNKNOWN_MEMBER, DUPLICATE_MEMBER, MALFORMED, WRONG_SHARE_KIND, WRONG_LENGTH, WRONG_STATE
   */
  receive(member: number, { shares }: UnmaskAnswer): Receipt {
    if (this.#answered.has(member)) return "repeated";
    if (this.#closed) throw new SecAggError("WRONG_STATE", "The round no longer takes shares.");
    const { graph } = this.#masked.cohort;
    if (!this.#confirmations.has(member)) {
      throw new SecAggError("UNKNOWN_MEMBER", `Member ${member} has not signed the survivor set, so it was not asked.`);
    }
    requireMembers(
      shares.map((share) => share.member),
      graph.members,
    );
    for (const share of shares) this.#checkShare(member, share);
    this.#answered.add(member);
    for (const share of shares) this.#take(member, share);
    return "accepted";
  }

  /**
   * Ends the round: rebuilds what is needed, checks it, and unmasks the sum.
   *
   * @returns the sum, or abandoned TOO_FEW_UNMASK_SHARES, INCONSISTENT_DEALER; the masked sum is erased either way
   * @throws SecAggError CANCELLED, WORKER_FAILED
   */
  async finish(engine: UnmaskEngine, signal?: AbortSignal): Promise<SecureSum | Abandoned> {
    if (this.#closed) throw new SecAggError("WRONG_STATE", "This round has been finished or given up before.");
    this.#closed = true;
    const { cohort, sum, survivors } = this.#masked;
    const { threshold } = cohort.graph;
    try {
      const short = [...this.#needed.keys()].filter((dealer) => this.#sharesOf(dealer).coordinates.length < threshold);
      if (short.length > 0) {
        return abandoned(
          "TOO_FEW_UNMASK_SHARES",
          `${threshold} shares of each secret are needed; members ${short.slice(0, 10).join(", ")}` +
            `${short.length > 10 ? " …" : ""} have fewer.`,
        );
      }
      const holders = cohort.graph.holders(0).length;
      const work = { parameters: cohort.parameters, sharing: { holders, threshold }, tasks: this.#tasks() };
      const { correction, inconsistent } = await engine.run(work, signal);
      if (inconsistent.length > 0) {
        return abandoned(
          "INCONSISTENT_DEALER",
          `Members ${inconsistent.join(", ")} dealt shares of something else than they committed to.`,
        );
      }
      sum.addValues(correction);
      return {
        type: "finished",
        sum: centre(sum.finish(), cohort.parameters.bits),
        survivors,
        falseShares: this.#falseShares,
      };
    } finally {
      sum.close();
      this.#erase();
    }
  }

  /** Drops sum and shares of a round that is given up. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#masked.sum.close();
    this.#erase();
  }

  #checkShare(holder: number, share: UnmaskShare): void {
    const needed = this.#needed.get(share.member);
    const deals = this.#masked.cohort.graph.holders(share.member).includes(holder);
    if (needed === undefined || !deals) {
      throw new SecAggError("UNKNOWN_MEMBER", `No share of member ${share.member} was asked of member ${holder}.`);
    }
    if (share.type !== needed) {
      throw new SecAggError(
        "WRONG_SHARE_KIND",
        `A ${needed} share of member ${share.member} was asked for; a ${share.type} share came.`,
      );
    }
    if (share.share.length !== SHARE_BYTES) {
      throw new SecAggError("WRONG_LENGTH", `A share has ${SHARE_BYTES} bytes; this has ${share.share.length}.`);
    }
  }

  #take(holder: number, { member: dealer, type, share }: UnmaskShare): void {
    const { cohort, envelopes } = this.#masked;
    // A share of one's own is committed to only by H(b): if it is false, so is its dealer.
    if (holder !== dealer) {
      const envelope = envelopes.get(dealer)?.get(holder);
      const commitment = envelope === undefined ? undefined : committed(envelope, type);
      const actual = shareCommitment(cohort.parameters, type, dealer, holder, share);
      if (commitment === undefined || !sameBytes(commitment, actual)) {
        this.#falseShares.push({ holder, dealer });
        return;
      }
    }
    const { coordinates, values } = this.#sharesOf(dealer);
    // More shares than the threshold rebuild nothing better.
    if (coordinates.length === cohort.graph.threshold) return;
    values.set(share, coordinates.length * SHARE_BYTES);
    coordinates.push(cohort.graph.holders(dealer).indexOf(holder) + 1);
    if (coordinates.length === cohort.graph.threshold) this.#missing--;
  }

  #sharesOf(dealer: number): CollectedShares {
    const known = this.#shares.get(dealer);
    if (known !== undefined) return known;
    const values = new Uint8Array(this.#masked.cohort.graph.threshold * SHARE_BYTES);
    const shares: CollectedShares = { coordinates: [], values };
    this.#shares.set(dealer, shares);
    return shares;
  }

  #tasks(): UnmaskTask[] {
    const { cohort, deals, survivors } = this.#masked;
    const alive = new Set(survivors);
    return [...this.#needed].map(([member, kind]): UnmaskTask => {
      const shares = this.#sharesOf(member);
      if (kind === "self-mask") {
        return {
          type: "self-mask",
          member,
          shares,
          commitment: deals.get(member)?.selfMaskCommitment ?? new Uint8Array(),
        };
      }
      const survivorsOf = cohort.graph.neighbours(member).filter((neighbour) => alive.has(neighbour));
      return {
        type: "pair-masks",
        member,
        shares,
        maskPublicKey: memberAt(cohort.members, member).advertisement.maskPublicKey,
        survivors: survivorsOf.map((neighbour) => ({
          member: neighbour,
          maskPublicKey: memberAt(cohort.members, neighbour).advertisement.maskPublicKey,
        })),
      };
    });
  }

  #erase(): void {
    for (const { values } of this.#shares.values()) values.fill(0);
    this.#shares.clear();
  }
}

function neededSecrets({ cohort, deals, survivors }: MaskedSum): Map<number, ShareKind> {
  const alive = new Set(survivors);
  const needed = new Map<number, ShareKind>();
  for (const dealer of deals.keys()) {
    if (alive.has(dealer)) needed.set(dealer, "self-mask");
    // Nobody in the sum masked with it: nothing of it has to be taken out.
    else if (cohort.graph.neighbours(dealer).some((neighbour) => alive.has(neighbour))) needed.set(dealer, "mask-key");
  }
  return needed;
}

function committed(envelope: Uint8Array, kind: ShareKind): Uint8Array {
  const { selfMaskCommitment, maskKeyCommitment } = decodeEnvelope(envelope);
  return kind === "self-mask" ? selfMaskCommitment : maskKeyCommitment;
}
