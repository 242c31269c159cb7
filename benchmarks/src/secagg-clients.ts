/** Clients of the secure aggregation benchmark: many in one process, each with a key and a connection's worth of calls of its own. */
import { memoryStore, Participant, type Trainer, type Transport } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { WILLING } from "./served-plan.js";

export interface ClientStart {
  readonly address: string;
  readonly population: string;
  /** Numbers of the clients that this process holds. */
  readonly clients: readonly number[];
  /** Clients with lower numbers leave after dealing shares. */
  readonly gone: number;
  /** What each adds to the coordinate that has its number. */
  readonly value: number;
}

export interface ClientReport {
  /** Of all its clients in all rounds, after they have enrolled. */
  readonly cpuMs: number;
  /** Bodies of the calls that carry a round's secure aggregation, of clients that do not leave. */
  readonly uploadBytes: number;
}

const CARRYING = ["advertiseKeys", "shareKeys", "uploadChunk", "submitMasked", "confirmSurvivors", "unmask"];
const CLIENTS_A_CONNECTION = 50;

const verifier = nodeVerifier();
const random = aesCtrRandom();
const crypto = nodeDeviceCrypto({ random, verifier });
let uploadBytes = 0;

function trainerOf(client: number, value: number): Trainer {
  return {
    id: "trivial",
    async train({ updateLength }) {
      const update = new Float32Array(updateLength);
      update[client] = value;
      return { update };
    },
    evaluate: async ({ updateLength }) => new Float32Array(updateLength),
  };
}

/** Counts what is sent; a client that leaves does so before its vector is sent, each round anew. */
function observed(transport: Transport, leave: (() => void) | undefined): Transport {
  return {
    unary(method, request, options) {
      const isVector = method.localName === "submitMasked" || method.localName === "uploadChunk";
      if (leave !== undefined && isVector) leave();
      else if (leave === undefined && CARRYING.includes(method.localName)) uploadBytes += options.body.length;
      return transport.unary(method, request, options);
    },
    serverStream: (method, request, options) => transport.serverStream(method, request, options),
    close: () => Promise.resolve(),
  };
}

async function live(start: ClientStart, client: number, transport: Transport): Promise<() => Promise<void>> {
  let round = new AbortController();
  const participant = await Participant.join({
    population: start.population,
    transport: observed(transport, client < start.gone ? () => round.abort() : undefined),
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier,
    sha256: nodeSha256,
    random,
    secureAggregation: crypto,
    trainer: trainerOf(client, start.value),
    floors: { allowNoNoise: true, minimumCohort: 3, minimumNoiseMultiplier: 0 },
    limits: { modelBytes: 1 << 30, updateLength: 1 << 28 },
    consent: WILLING,
  });
  return async () => {
    // Who left a round is back for the next one; who did not is told when there are no more.
    for (let isDone = false; !isDone; ) {
      round = new AbortController();
      for await (const event of participant.run({ signal: round.signal })) {
        if (event.type === "refused") throw new Error(`${event.code}: ${event.message}`);
      }
      isDone = !round.signal.aborted;
    }
  };
}

async function run(start: ClientStart): Promise<ClientReport> {
  const connections = Array.from({ length: Math.ceil(start.clients.length / CLIENTS_A_CONNECTION) }, () =>
    grpcTransport({ address: start.address }),
  );
  const lives: (() => Promise<void>)[] = [];
  for (const [i, client] of start.clients.entries()) {
    const transport = connections[Math.floor(i / CLIENTS_A_CONNECTION)];
    if (transport !== undefined) lives.push(await live(start, client, transport));
  }
  const before = process.cpuUsage();
  await Promise.all(lives.map((each) => each()));
  const { user, system } = process.cpuUsage(before);
  await Promise.all(connections.map((transport) => transport.close()));
  return { cpuMs: (user + system) / 1_000, uploadBytes };
}

process.on("disconnect", () => process.exit(0));
process.once("message", (start: ClientStart) => {
  run(start).then(
    (report) => process.send?.(report),
    (cause) => {
      console.error(cause);
      process.exit(1);
    },
  );
});
