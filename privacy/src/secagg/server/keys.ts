import type { RandomSource } from "../../random/source.js";
import { hex, requirePublicKey } from "../crypto/key-agreement.js";
import type { SignatureVerifier } from "../crypto/signatures.js";
import { SecAggError } from "../errors.js";
import { maskGraph } from "../graph/graph.js";
import { randomPermutation } from "../graph/permutation.js";
import type { MaskAccumulator } from "../masking/accumulator.js";
import { sameBytes } from "../members.js";
import type { KeyAdvertisement } from "../messages.js";
import type { SecAggParameters } from "../parameters.js";
import { advertisementTranscript } from "../transcript.js";
import type { Member } from "./cohort.js";
import { SharesCollection } from "./shares.js";
import { abandoned, advanced, type Closed, type Receipt } from "./step.js";

/** First state: the cohort's devices send their keys. */
export class KeysCollection {
  readonly type = "keys";
  readonly parameters: SecAggParameters;
  readonly #verifier: SignatureVerifier;
  readonly #accumulator: (() => MaskAccumulator) | undefined;
  readonly #members = new Map<string, Member>();
  readonly #agreementKeys = new Set<string>();
  #closed = false;

  /**
   * @param verifier checks the devices' signatures here and in the consistency step
   * @param accumulator makes the sum of the masked vectors, once they are asked for; one of this process's own unless given
   */
  constructor(parameters: SecAggParameters, verifier: SignatureVerifier, accumulator?: () => MaskAccumulator) {
    this.#accumulator = accumulator;
    this.parameters = parameters;
    this.#verifier = verifier;
  }

  /** Devices that have advertised. */
  get size(): number {
    return this.#members.size;
  }

  /**
   * Takes one device's keys.
   *
   * @param devicePublicKey the enrolled Ed25519 key of the authenticated sender
   * @throws SecAggError MALFORMED, LOW_ORDER_KEY, DUPLICATE_KEY, BAD_SIGNATURE, CONFLICT, WRONG_STATE when it is too
   *   late or the cohort is full
   */
  async receive(devicePublicKey: Uint8Array, advertisement: KeyAdvertisement): Promise<Receipt> {
    const name = hex(devicePublicKey);
    if (this.#isRepeated(name, advertisement)) return "repeated";
    const transcript = advertisementTranscript(this.parameters, advertisement);
    requirePublicKey(advertisement.maskPublicKey);
    requirePublicKey(advertisement.encryptionPublicKey);
    if (!(await this.#verifier.verify(devicePublicKey, transcript, advertisement.signature))) {
      throw new SecAggError(
        "BAD_SIGNATURE",
        "These keys are not signed by the device for this session, round and plan.",
      );
    }
    // Others may have been taken, or the state closed, while the signature was checked.
    if (this.#isRepeated(name, advertisement)) return "repeated";
    const [maskKey, encryptionKey] = [hex(advertisement.maskPublicKey), hex(advertisement.encryptionPublicKey)];
    if (maskKey === encryptionKey || this.#agreementKeys.has(maskKey) || this.#agreementKeys.has(encryptionKey)) {
      throw new SecAggError("DUPLICATE_KEY", "Every device needs two keys that nobody else has. Make fresh ones.");
    }
    this.#agreementKeys.add(maskKey).add(encryptionKey);
    this.#members.set(name, { devicePublicKey, advertisement });
    return "accepted";
  }

  /**
   * Ends the step: numbers the devices at random, which is what makes the graph random.
   *
   * @returns the next state, or abandoned TOO_FEW_MEMBERS, INFEASIBLE_GRAPH
   */
  close(random: RandomSource): Closed<SharesCollection> {
    this.#closed = true;
    const { minimumMembers, graph: policy } = this.parameters;
    if (this.size < minimumMembers) {
      return abandoned("TOO_FEW_MEMBERS", `${minimumMembers} devices are needed; ${this.size} sent keys.`);
    }
    const arrived = [...this.#members.values()];
    const members: Member[] = [];
    for (const position of randomPermutation(arrived.length, random)) {
      const member = arrived[position];
      if (member !== undefined) members.push(member);
    }
    try {
      const graph = maskGraph(policy, members.length);
      return advanced(
        new SharesCollection({
          parameters: this.parameters,
          graph,
          members,
          verifier: this.#verifier,
          accumulator: this.#accumulator,
        }),
      );
    } catch (error) {
      if (error instanceof SecAggError && error.code === "INFEASIBLE_GRAPH") {
        return abandoned("INFEASIBLE_GRAPH", error.message);
      }
      throw error;
    }
  }

  #isRepeated(name: string, advertisement: KeyAdvertisement): boolean {
    const known = this.#members.get(name)?.advertisement;
    if (known === undefined) {
      if (this.#closed) {
        throw new SecAggError("WRONG_STATE", "The round no longer takes keys. Wait for the next round.");
      }
      if (this.size >= this.parameters.maximumMembers) {
        throw new SecAggError("WRONG_STATE", `The group is full with ${this.size} devices. Wait for the next round.`);
      }
      return false;
    }
    if (
      sameBytes(known.maskPublicKey, advertisement.maskPublicKey) &&
      sameBytes(known.encryptionPublicKey, advertisement.encryptionPublicKey)
    ) {
      return true;
    }
    throw new SecAggError("CONFLICT", "This device sent other keys before; a device has one pair of keys a round.");
  }
}
