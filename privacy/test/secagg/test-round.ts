import { SecAggClient } from "../../src/secagg/client/client.js";
import type { DeviceCrypto } from "../../src/secagg/crypto/device-crypto.js";
import { nodeDeviceCrypto, nodeUnmaskCrypto } from "../../src/secagg/crypto/device-crypto.node.js";
import type { Signer } from "../../src/secagg/crypto/signatures.js";
import { type SecAggParameters, secAggParameters } from "../../src/secagg/parameters.js";
import type { ConfirmationsCollection } from "../../src/secagg/server/consistency.js";
import { KeysCollection } from "../../src/secagg/server/keys.js";
import type { VectorsCollection } from "../../src/secagg/server/masked.js";
import type { SharesCollection } from "../../src/secagg/server/shares.js";
import type { Abandoned, Closed } from "../../src/secagg/server/step.js";
import type { SecureSum, UnmaskCollection } from "../../src/secagg/server/unmask.js";
import { inlineUnmaskEngine, type UnmaskEngine } from "../../src/secagg/server/unmask-engine.js";
import { testSigner, testVerifier } from "./ed25519.js";
import { seededBytes, seededRandom } from "./seeded-random.js";

/** Parameters of a small round, with what a test wants otherwise. */
export function testParameters(change: Partial<SecAggParameters> = {}): SecAggParameters {
  return secAggParameters({
    session: seededBytes("session", 32),
    round: 7,
    planHash: seededBytes("plan", 32),
    modelHash: seededBytes("model", 32),
    length: 21,
    bits: 18,
    valueBound: 1000,
    overflow: "impossible",
    graph: { type: "complete" },
    minimumMembers: 3,
    maximumMembers: 100,
    minimumSurvivors: 2,
    ...change,
  });
}

export interface TestDevice {
  readonly signer: Signer;
  readonly client: SecAggClient;
  readonly values: Int32Array;
}

/** Deterministic devices; the n-th has the same keys and values in every test with the same seed. */
export function testDevice(
  index: number,
  seed: number | string,
  parameters: SecAggParameters,
  crypto: Partial<DeviceCrypto> = {},
): TestDevice {
  const signer = testSigner(`${seed} ${index}`);
  const words = new Uint32Array(seededBytes(`values ${seed} ${index}`, 4 * parameters.length).buffer);
  const span = 2 * parameters.valueBound + 1;
  const given = { random: seededRandom(`device ${seed} ${index}`), verifier: testVerifier() };
  return {
    signer,
    client: new SecAggClient({ parameters, signer, minimumMembers: 3 }, { ...nodeDeviceCrypto(given), ...crypto }),
    values: Int32Array.from(words, (word) => (word % span) - parameters.valueBound),
  };
}

/** The sum that a round of these devices must give. */
export function plainSum(devices: Iterable<TestDevice>): number[] {
  const sum: number[] = [];
  for (const { values } of devices) {
    values.forEach((value, i) => {
      sum[i] = (sum[i] ?? 0) + value;
    });
  }
  return sum;
}

/** A round that gave up, as a test sees it. */
export class RoundAbandoned extends Error {
  constructor(readonly outcome: Abandoned) {
    super(`${outcome.reason}: ${outcome.detail}`);
  }
}

/** Honest devices and an honest server, step by step, so that a test can leave devices out or tamper in between. */
export class TestRound {
  readonly members: Map<number, TestDevice> = new Map();

  private constructor(
    readonly parameters: SecAggParameters,
    readonly shares: SharesCollection,
  ) {}

  /** Lets devices advertise their keys. */
  static async start(
    count: number,
    options: {
      readonly seed?: number | string;
      readonly parameters?: SecAggParameters;
      readonly devices?: readonly TestDevice[];
    } = {},
  ): Promise<TestRound> {
    const seed = options.seed ?? 1;
    const parameters = options.parameters ?? testParameters();
    const devices = options.devices ?? Array.from({ length: count }, (_, i) => testDevice(i, seed, parameters));
    const keys = new KeysCollection(parameters, testVerifier());
    for (const device of devices) await keys.receive(device.signer.publicKey, await device.client.advertise());
    const round = new TestRound(parameters, opened(keys.close(seededRandom(`server ${seed}`))));
    for (const device of devices) round.members.set(round.shares.memberOf(device.signer.publicKey) ?? -1, device);
    return round;
  }

  device(member: number): TestDevice {
    const device = this.members.get(member);
    if (device === undefined) throw new Error(`no member ${member}`);
    return device;
  }

  async deal(gone: ReadonlySet<number> = new Set()): Promise<VectorsCollection> {
    for (const [member, { client }] of this.members) {
      if (gone.has(member)) continue;
      this.shares.receive(member, await client.dealShares(this.shares.messageFor(member)));
    }
    return opened(this.shares.close());
  }

  async mask(vectors: VectorsCollection, gone: ReadonlySet<number> = new Set()): Promise<ConfirmationsCollection> {
    for (const [member, { client, values }] of this.members) {
      if (gone.has(member) || client.state !== "shares") continue;
      vectors.receive(member, await client.maskVector(vectors.messageFor(member), values));
    }
    return opened(vectors.close());
  }

  async confirm(
    confirmations: ConfirmationsCollection,
    gone: ReadonlySet<number> = new Set(),
  ): Promise<UnmaskCollection> {
    for (const [member, { client }] of this.members) {
      if (gone.has(member) || client.state !== "masked") continue;
      if (!confirmations.message.survivors.includes(member)) continue;
      await confirmations.receive(member, await client.confirmSurvivors(confirmations.message));
    }
    return opened(confirmations.close());
  }

  async reveal(unmask: UnmaskCollection, gone: ReadonlySet<number> = new Set()): Promise<void> {
    for (const [member, { client }] of this.members) {
      if (gone.has(member) || client.state !== "consistency") continue;
      unmask.receive(member, await client.unmask(unmask.messageFor(member)));
    }
  }

  /** From the dealt shares to the sum. */
  async complete(vectors: VectorsCollection): Promise<SecureSum> {
    const unmask = await this.confirm(await this.mask(vectors));
    await this.reveal(unmask);
    return finished(unmask);
  }
}

/** The next state, or RoundAbandoned. */
export function opened<Next>(closed: Closed<Next>): Next {
  if (closed.type === "abandoned") throw new RoundAbandoned(closed);
  return closed.state;
}

/** The sum, or RoundAbandoned. */
export async function finished(
  unmask: UnmaskCollection,
  engine: UnmaskEngine = inlineUnmaskEngine(nodeUnmaskCrypto()),
): Promise<SecureSum> {
  const outcome = await unmask.finish(engine);
  if (outcome.type === "abandoned") throw new RoundAbandoned(outcome);
  return outcome;
}
