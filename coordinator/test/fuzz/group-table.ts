/** What a coordinator tells a device of its group: the neighbours, whose keys the device is to mask with. */
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { Broken, below, type Draw, type Fuzzed, fixed, mutateBytes, one } from "@fedloop/fuzz";
import { aesCtrRandom } from "@fedloop/privacy/node";
import {
  KeysCollection,
  type NeighbourList,
  SecAggClient,
  SecAggError,
  secAggParameters,
} from "@fedloop/privacy/secagg";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";

const MEMBERS = 4;
const parameters = secAggParameters({
  session: fixed(32, 1),
  round: 3,
  planHash: fixed(32, 2),
  modelHash: fixed(32, 3),
  length: 4,
  bits: 16,
  valueBound: 100,
  overflow: "impossible",
  graph: { type: "complete" },
  minimumMembers: 3,
  maximumMembers: 9,
  minimumSurvivors: 3,
});
const verifier = nodeVerifier();
const crypto = nodeDeviceCrypto({ random: aesCtrRandom(), verifier });
const own = generateNodeSigner();

function device(signer = generateNodeSigner()): SecAggClient {
  return new SecAggClient({ parameters, signer, minimumMembers: 3 }, crypto);
}

/** The list that the device with `own` gets in an honest group. */
async function honestList(): Promise<NeighbourList> {
  const keys = new KeysCollection(parameters, verifier);
  for (let i = 0; i < MEMBERS; i++) {
    const signer = i === 0 ? own : generateNodeSigner();
    await keys.receive(signer.publicKey, await device(signer).advertise());
  }
  const closed = keys.close(aesCtrRandom());
  if (closed.type === "abandoned") throw new Error(closed.detail);
  return closed.state.messageFor(closed.state.memberOf(own.publicKey) ?? -1);
}

const NUMBERS = [-1, 0, 1, 2, 3, 4, 5, 9, 10, 1.5, 2 ** 31, 2 ** 53, Number.NaN];
const KEYS = ["devicePublicKey", "maskPublicKey", "encryptionPublicKey", "signature"] as const;

function changed(list: NeighbourList, draw: Draw): NeighbourList {
  const { neighbours } = list;
  const at = below(draw, neighbours.length);
  const neighbour = one(draw, neighbours);
  switch (below(draw, 6)) {
    case 0:
      return { ...list, [one(draw, ["member", "cohortSize", "threshold"])]: one(draw, NUMBERS) };
    case 1:
      return { ...list, neighbours: neighbours.toSpliced(at, below(draw, 2), neighbour) };
    case 2:
      return { ...list, neighbours: neighbours.toSpliced(at, 1) };
    case 3:
      return { ...list, neighbours: neighbours.with(at, { ...neighbour, member: one(draw, NUMBERS) }) };
    default: {
      const key = one(draw, KEYS);
      const bytes = draw() < 0.2 ? new Uint8Array(32) : mutateBytes([neighbour[key]], draw);
      return { ...list, neighbours: neighbours.with(at, { ...neighbour, [key]: bytes }) };
    }
  }
}

export async function groupTable(): Promise<Fuzzed[]> {
  const honest = await honestList();
  const honestJson = JSON.stringify(honest);
  return [
    {
      name: "a device's list of neighbours",
      inputs: 800,
      make: (draw) => changed(honest, draw),
      valid: [honest],
      isRefusal: (cause) => cause instanceof SecAggError,
      decode: async (list: NeighbourList) => {
        const client = device(own);
        try {
          await client.advertise();
          const { shares } = await client.dealShares(list);
          if (JSON.stringify(list) !== honestJson || shares.length !== MEMBERS - 1)
            throw new Broken("shares for neighbours that are not the group's");
        } finally {
          client.close();
        }
      },
    },
  ];
}
