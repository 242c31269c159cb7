import { generateNodeSigner, type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import type { RandomSource } from "@fedloop/privacy";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { inlineUnmaskEngine, SecAggClient, SecAggError, type SecAggParameters } from "@fedloop/privacy/secagg";
import { nodeDeviceCrypto, nodeUnmaskCrypto } from "@fedloop/privacy/secagg/node";
import type { Device } from "../../registry/device.js";
import { SecureGroup, type SecureStep } from "../../rounds/secure-group.js";
import { rememberingVerifier } from "../remembered-signatures.js";

/** By step, the numbers of the devices that answer it; who vanishes at a step answers none after it. */
export type AnsweredSteps = Readonly<Record<SecureStep, readonly number[]>>;

interface Member {
  readonly device: Device;
  readonly client: SecAggClient;
}

const verifier = rememberingVerifier(nodeVerifier());
const engine = inlineUnmaskEngine(nodeUnmaskCrypto());

/**
 * Sums one group's integers as a coordinator and its devices do: the devices agree on keys, deal shares, mask, sign who is left and
 * reveal shares, each with the code of the client runtime's privacy package; the coordinator's side is its own group. Keys, masks
 * and shares are random in earnest: a sum does not depend on them.
 *
 * @param vectors by device, what it masks; those who answer the step masked have one
 * @param random splits the group's graph, so that whether a sparse graph bears the dropouts follows from the seed too
 * @returns Σ over those who answered the step masked, as the signed integers nearest to 0 modulo 2^bits; undefined where too many
 *   were gone for the protocol
 */
export async function maskedSum(
  parameters: SecAggParameters,
  answered: AnsweredSteps,
  vectors: ReadonlyMap<number, Int32Array>,
  random: RandomSource,
  signal: AbortSignal,
): Promise<Int32Array | undefined> {
  using group = new SecureGroup(parameters, verifier);
  const crypto = nodeDeviceCrypto({ random: aesCtrRandom(), verifier });
  const members = new Map<number, Member>();
  /** One step of all that answer it. A device that finds the protocol violated leaves, as real ones do. */
  const step = async (
    name: SecureStep,
    answer: (member: Member, number: number) => Promise<unknown>,
  ): Promise<void> => {
    for (const number of answered[name]) {
      const member = members.get(number);
      if (member === undefined || group.isLeftOut) continue;
      try {
        await answer(member, number);
      } catch (cause) {
        if (!(cause instanceof SecAggError)) throw cause;
        members.delete(number);
        member.client.close();
      }
    }
    group.close(random);
  };
  try {
    for (const number of answered.keys) {
      const signer = generateNodeSigner();
      const setup = { parameters, signer, minimumMembers: parameters.minimumMembers };
      members.set(number, { device: virtualDevice(number, signer), client: new SecAggClient(setup, crypto) });
    }
    await step("keys", async ({ device, client }) => group.advertise(device, await client.advertise()));
    await step("shares", async ({ device, client }) =>
      group.deal(device, await client.dealShares(came(group.neighboursOf(device)))),
    );
    await step("masked", async ({ device, client }, number) => {
      const masked = await client.maskVector(came(group.deliveryFor(device)), came(vectors.get(number)), signal);
      group.add(device, masked.vector);
    });
    await step("consistency", async ({ device, client }) =>
      group.confirm(device, await client.confirmSurvivors(came(group.survivors()))),
    );
    await step("unmask", async ({ device, client }) =>
      group.reveal(device, await client.unmask(came(group.confirmationsFor(device)))),
    );
    return (await group.finish(engine, signal))?.sum;
  } finally {
    for (const { client } of members.values()) client.close();
  }
}

function virtualDevice(number: number, { publicKey }: NodeSigner): Device {
  const id = String(number);
  return { id, population: "", publicKey, subject: id, session: null, sessionExpiresMs: 0 };
}

function came<Message>(message: Message | undefined): Message {
  if (message !== undefined) return message;
  throw new SecAggError("WRONG_STATE", "Expected the group's message of the step before.");
}
