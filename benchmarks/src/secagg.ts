import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate } from "node:timers/promises";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import {
  type DeviceCrypto,
  type GraphPolicy,
  KeysCollection,
  randomPermutation,
  SecAggClient,
  type SecAggParameters,
  type SharesCollection,
  secAggParameters,
  type UnmaskCollection,
  type VectorsCollection,
} from "@fedloop/privacy/secagg";
import { MaskPool, nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { secaggOverGrpc } from "./secagg-grpc.js";

/** One case: a round in one process without a network, and the same round over gRPC. */
export interface SecaggCase {
  readonly clients: number;
  /** Coordinates of a vector. */
  readonly length: number;
  /** Fraction of the clients that is gone after dealing shares, which costs the server most. */
  readonly dropout: number;
  /** The sum is modulo 2^bits. */
  readonly bits: number;
  readonly graph: "complete" | "harary";
}

type ClientStep = "keys" | "shares" | "mask" | "unmask";
type ServerStep = ClientStep | "consistency";

/** Largest absolute value that a benchmark's client sends. */
const VALUE_BOUND = 3;

/** Milliseconds by step, and the longest single call. */
class Stopwatch<Step extends string> {
  readonly totals: Map<Step, number> = new Map();
  longestMs = 0;

  async measure<T>(step: Step, call: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await call();
    const spent = performance.now() - start;
    this.totals.set(step, (this.totals.get(step) ?? 0) + spent);
    this.longestMs = Math.max(this.longestMs, spent);
    return result;
  }

  /** Totals divided by `count`, to a hundredth. */
  report(count: number): Record<string, number> {
    const steps = [...this.totals].map(([step, spent]) => [step, rounded(spent / count)] as const);
    const total = [...this.totals.values()].reduce((sum, spent) => sum + spent, 0);
    return { ...Object.fromEntries(steps), total: rounded(total / count) };
  }
}

/**
 * Runs one round of secure aggregation and measures both sides, then the same round over gRPC. A client's times are means
 * over the clients.
 *
 * @returns `{clientMs, serverMs, uploadBytesPerClient, exact, grpc, …}`; `exact` says that the sum is the survivors' sum
 */
export async function secaggBenchmark(options: SecaggCase): Promise<object> {
  const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const parameters = parametersOf(options);
  const clientTimes = new Stopwatch<ClientStep>();
  const serverTimes = new Stopwatch<ServerStep>();
  const round = new Round(parameters, crypto, clientTimes, serverTimes);
  const shares = await round.keys(options.clients);
  const vectors = await round.shares(shares);
  const gone = Math.round(options.clients * options.dropout);
  const expected = new Int32Array(options.length);
  const unmask = await round.mask(vectors, gone, expected);
  await using pool = new MaskPool();
  // Threads are started once for many rounds, so their start is not this round's cost.
  await pool.ready();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const outcome = await serverTimes.measure("unmask", () => unmask.finish(pool));
  loop.disable();
  if (outcome.type === "abandoned") throw new Error(`The round was abandoned: ${outcome.reason}. ${outcome.detail}`);
  const { degree, threshold } = shares.cohort.graph;
  return {
    ...options,
    degree,
    threshold,
    survivors: outcome.survivors.length,
    clientMs: clientTimes.report(options.clients),
    serverMs: serverTimes.report(1),
    // While masks are taken out on threads, the loop's own delay; before that, the longest call for one message.
    serverLoopMs: { longestCall: rounded(round.longestCallMs), unmask: rounded(loop.max / 1e6) },
    uploadBytesPerClient: Math.round(round.uploadBytes / outcome.survivors.length),
    exact: outcome.sum.every((value, i) => value === expected[i]),
    grpc: await secaggOverGrpc(options),
  };
}

function parametersOf({ clients, length, dropout, bits, graph }: SecaggCase): SecAggParameters {
  const policy: GraphPolicy =
    graph === "complete"
      ? { type: "complete" }
      : {
          type: "harary",
          corruptFraction: 0.05,
          dropoutFraction: Math.max(0.05, dropout),
          adversary: "semi-malicious",
        };
  return secAggParameters({
    session: new Uint8Array(32).fill(1),
    round: 0,
    planHash: new Uint8Array(32).fill(2),
    modelHash: new Uint8Array(32).fill(3),
    length,
    bits,
    valueBound: VALUE_BOUND,
    overflow: "impossible",
    graph: policy,
    minimumMembers: Math.min(3, clients),
    maximumMembers: clients,
    minimumSurvivors: 2,
  });
}

/** Drives clients and server through the steps; bytes count from the survivors only. */
class Round {
  uploadBytes = 0;
  longestCallMs = 0;
  readonly #parameters: SecAggParameters;
  readonly #crypto: DeviceCrypto;
  readonly #client: Stopwatch<ClientStep>;
  readonly #server: Stopwatch<ServerStep>;
  readonly #devices = new Map<number, SecAggClient>();

  constructor(
    parameters: SecAggParameters,
    crypto: DeviceCrypto,
    client: Stopwatch<ClientStep>,
    server: Stopwatch<ServerStep>,
  ) {
    this.#parameters = parameters;
    this.#crypto = crypto;
    this.#client = client;
    this.#server = server;
  }

  async keys(clients: number): Promise<SharesCollection> {
    const keys = new KeysCollection(this.#parameters, this.#crypto.verifier);
    const arrived: { client: SecAggClient; publicKey: Uint8Array }[] = [];
    for (let i = 0; i < clients; i++) {
      const signer = generateNodeSigner();
      const setup = { parameters: this.#parameters, signer, minimumMembers: 3 };
      const client = new SecAggClient(setup, this.#crypto);
      const message = await this.#client.measure("keys", () => client.advertise());
      await this.#server.measure("keys", () => keys.receive(signer.publicKey, message));
      // Where a device waits for the network, others get a turn.
      await setImmediate();
      this.uploadBytes += message.maskPublicKey.length + message.encryptionPublicKey.length + message.signature.length;
      arrived.push({ client, publicKey: signer.publicKey });
    }
    const shares = stateOf(await this.#server.measure("keys", () => keys.close(this.#crypto.random)));
    for (const { client, publicKey } of arrived) this.#devices.set(shares.memberOf(publicKey) ?? -1, client);
    return shares;
  }

  async shares(shares: SharesCollection): Promise<VectorsCollection> {
    for (const [member, client] of this.#devices) {
      const list = await this.#server.measure("shares", () => shares.messageFor(member));
      const message = await this.#client.measure("shares", () => client.dealShares(list));
      await this.#server.measure("shares", () => shares.receive(member, message));
      this.uploadBytes += message.shares.reduce((sum, { envelope }) => sum + envelope.length, 32);
    }
    return stateOf(await this.#server.measure("shares", () => shares.close()));
  }

  /** Masks, confirms and reveals. `gone` members, drawn at random, stop before they send their vector. */
  async mask(vectors: VectorsCollection, gone: number, expected: Int32Array): Promise<UnmaskCollection> {
    const leaving = new Set(randomPermutation(this.#devices.size, this.#crypto.random).subarray(0, gone));
    const staying = [...this.#devices].filter(([member]) => !leaving.has(member));
    const values = new Int32Array(this.#parameters.length);
    for (const [member, client] of staying) {
      fillValues(values, member, expected);
      const delivery = await this.#server.measure("mask", () => vectors.messageFor(member));
      const message = await this.#client.measure("mask", () => client.maskVector(delivery, values));
      await this.#server.measure("mask", () => vectors.receive(member, message));
      this.uploadBytes += message.vector.length;
    }
    const confirmations = stateOf(await this.#server.measure("mask", () => vectors.close()));
    for (const [member, client] of staying) {
      const message = await this.#client.measure("unmask", () => client.confirmSurvivors(confirmations.message));
      await this.#server.measure("consistency", () => confirmations.receive(member, message));
      this.uploadBytes += message.signature.length;
    }
    const unmask = stateOf(await this.#server.measure("consistency", () => confirmations.close()));
    for (const [member, client] of staying) {
      const signatures = await this.#server.measure("unmask", () => unmask.messageFor(member));
      const message = await this.#client.measure("unmask", () => client.unmask(signatures));
      await this.#server.measure("unmask", () => unmask.receive(member, message));
      this.uploadBytes += message.shares.reduce((sum, { share }) => sum + share.length, 0);
    }
    this.longestCallMs = this.#server.longestMs;
    return unmask;
  }
}

/** Small numbers that differ from member to member, and their sum. */
function fillValues(values: Int32Array, member: number, expected: Int32Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = ((i + member * 7) % (2 * VALUE_BOUND + 1)) - VALUE_BOUND;
    values[i] = value;
    expected[i] = (expected[i] ?? 0) + value;
  }
}

function stateOf<State>(closed: { type: "advanced"; state: State } | { type: "abandoned"; detail: string }): State {
  if (closed.type === "abandoned") throw new Error(`The round was abandoned: ${closed.detail}`);
  return closed.state;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
