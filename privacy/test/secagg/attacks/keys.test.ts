// Attacks by keys, shares and rosters: replayed, substituted, of low order, too few.
import t from "tap";
import { nodeDeviceCrypto } from "../../../src/secagg/crypto/device-crypto.node.js";
import type { NeighbourKeys, NeighbourList } from "../../../src/secagg/messages.js";
import { KeysCollection } from "../../../src/secagg/server/keys.js";
import { testVerifier } from "../ed25519.js";
import { seededBytes, seededRandom } from "../seeded-random.js";
import { TestRound, testDevice, testParameters } from "../test-round.js";
import { flipped, withNeighbour } from "./tampering.js";

t.test("attack: keys reused across rounds: every round has fresh ones, and old ones are refused", async (t) => {
  const first = await TestRound.start(4, { parameters: testParameters({ round: 1 }) });
  const parameters = testParameters({ round: 2 });
  const crypto = nodeDeviceCrypto({ random: seededRandom("another draw"), verifier: testVerifier() });
  const devices = Array.from({ length: 4 }, (_, i) => testDevice(i, 1, parameters, crypto));
  const second = await TestRound.start(4, { parameters, devices });
  const keysOf = (round: TestRound): string[] =>
    [0, 1].flatMap((member) =>
      round.shares
        .messageFor(member)
        .neighbours.flatMap(({ maskPublicKey, encryptionPublicKey }) => [maskPublicKey, encryptionPublicKey])
        .map((key) => Buffer.from(key).toString("hex")),
    );
  const old = new Set(keysOf(first));
  t.notOk(keysOf(second).some((key) => old.has(key)));
  // The server hands out a neighbour's keys of the first round, with the signature of the first round.
  const member = 0;
  const list = withNeighbour(second.shares.messageFor(member), (neighbour) => {
    const oldMember = first.shares.memberOf(neighbour.devicePublicKey) ?? -1;
    const other = [0, 1].find((candidate) => candidate !== oldMember) ?? 0;
    return first.shares.messageFor(other).neighbours.find((keys) => keys.member === oldMember) ?? neighbour;
  });
  await t.rejects(second.device(member).client.dealShares({ ...list, neighbours: renumbered(list) }), {
    code: "BAD_SIGNATURE",
  });
});

function renumbered(list: NeighbourList): NeighbourKeys[] {
  const numbers = Array.from({ length: list.cohortSize }, (_, i) => i).filter((number) => number !== list.member);
  return list.neighbours.map((neighbour, i) => ({ ...neighbour, member: numbers[i] ?? -1 }));
}

t.test("attack: an advertisement replayed in another session is refused by the server", async (t) => {
  const parameters = testParameters();
  const device = testDevice(0, 1, parameters);
  const advertisement = await device.client.advertise();
  for (const change of [
    { session: seededBytes("another", 32) },
    { round: 8 },
    { planHash: seededBytes("another", 32) },
  ]) {
    const keys = new KeysCollection(testParameters(change), testVerifier());
    await t.rejects(keys.receive(device.signer.publicKey, advertisement), { code: "BAD_SIGNATURE" });
  }
});

t.test("attack: shares replayed from another session cannot be opened, and the device leaves", async (t) => {
  const here = await TestRound.start(5);
  const there = await TestRound.start(5, { parameters: testParameters({ session: seededBytes("another", 32) }) });
  await here.deal();
  const replayed = (await there.deal()).messageFor(0);
  const { client, values } = here.device(0);
  await t.rejects(client.maskVector(replayed, values), { code: "TOO_FEW_SHARES" });
  t.equal(client.leaveReason, "TOO_FEW_SHARES");
});

t.test("attack: shares sent to one holder are passed to another, or as another dealer's", async (t) => {
  const round = await TestRound.start(5);
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  const delivery = vectors.messageFor(0);
  const elsewhere = vectors.messageFor(1).shares.find((share) => share.member === 2);
  const [first, second, ...rest] = delivery.shares;
  if (elsewhere === undefined || first === undefined || second === undefined) throw new Error("shares missing");
  const shares = [{ member: first.member, envelope: second.envelope }, elsewhere, ...rest];
  // Two of four cannot be opened; 2 and the device's own are below the threshold of 4.
  await t.rejects(client.maskVector({ ...delivery, shares }, values), { code: "TOO_FEW_SHARES" });
});

t.test("attack: a neighbour's keys are substituted", async (t) => {
  const fresh = testDevice(99, 1, testParameters());
  const own = await fresh.client.advertise();
  const substitutions: ((neighbour: NeighbourKeys) => Partial<NeighbourKeys>)[] = [
    () => ({ maskPublicKey: own.maskPublicKey }),
    () => ({ encryptionPublicKey: own.encryptionPublicKey }),
    ({ maskPublicKey, encryptionPublicKey }) => ({
      maskPublicKey: encryptionPublicKey,
      encryptionPublicKey: maskPublicKey,
    }),
    () => ({ ...own }),
    () => ({ devicePublicKey: fresh.signer.publicKey }),
    ({ signature }) => ({ signature: flipped(signature) }),
    () => ({ signature: new Uint8Array(63) }),
  ];
  for (const substitute of substitutions) {
    const round = await TestRound.start(4);
    const list = withNeighbour(round.shares.messageFor(2), substitute);
    await t.rejects(round.device(2).client.dealShares(list), { code: "BAD_SIGNATURE" });
  }
});

t.test("attack: duplicate keys among neighbours, or the device's own", async (t) => {
  const round = async (): Promise<TestRound> => TestRound.start(4);
  const second = (list: NeighbourList): NeighbourKeys => {
    const neighbour = list.neighbours[1];
    if (neighbour === undefined) throw new Error("no second neighbour");
    return neighbour;
  };
  const changes: ((list: NeighbourList, own: NeighbourKeys) => Partial<NeighbourKeys>)[] = [
    (list) => ({ ...second(list), member: 0 }),
    (list) => ({ devicePublicKey: second(list).devicePublicKey }),
    (list) => ({ maskPublicKey: second(list).maskPublicKey }),
    (list) => ({ encryptionPublicKey: second(list).maskPublicKey }),
    (_, own) => ({ devicePublicKey: own.devicePublicKey }),
    (_, own) => ({ maskPublicKey: own.maskPublicKey }),
    (_, own) => ({ maskPublicKey: own.encryptionPublicKey }),
  ];
  for (const change of changes) {
    const attacked = await round();
    const own = attacked.shares.messageFor(0).neighbours.find(({ member }) => member === 3);
    if (own === undefined) throw new Error("member 3 is missing");
    const list = withNeighbour(attacked.shares.messageFor(3), () => change(attacked.shares.messageFor(3), own));
    await t.rejects(attacked.device(3).client.dealShares(list), { code: "DUPLICATE_KEY" });
  }
  const parameters = testParameters();
  const keys = new KeysCollection(parameters, testVerifier());
  const victim = testDevice(0, 1, parameters);
  await keys.receive(victim.signer.publicKey, await victim.client.advertise());
  // The copycat draws the same random bytes, and signs the keys with its own device key.
  const crypto = nodeDeviceCrypto({ random: seededRandom("device 1 0"), verifier: testVerifier() });
  const copycat = testDevice(1, 1, parameters, crypto);
  await t.rejects(keys.receive(copycat.signer.publicKey, await copycat.client.advertise()), { code: "DUPLICATE_KEY" });
});

t.test("attack: low-order keys are refused by device and server before anything is agreed with them", async (t) => {
  const lowOrder = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0));
  for (const field of ["maskPublicKey", "encryptionPublicKey"]) {
    const round = await TestRound.start(4);
    const list = withNeighbour(round.shares.messageFor(0), () => ({ [field]: lowOrder }));
    await t.rejects(round.device(0).client.dealShares(list), { code: "LOW_ORDER_KEY" });
    const parameters = testParameters();
    const device = testDevice(0, 1, parameters);
    const advertisement = { ...(await device.client.advertise()), [field]: lowOrder };
    const keys = new KeysCollection(parameters, testVerifier());
    await t.rejects(keys.receive(device.signer.publicKey, advertisement), { code: "LOW_ORDER_KEY" });
  }
});

t.test("attack: Sybil rosters below n_min: the device leaves, by the plan's floor or its own", async (t) => {
  const roster = await TestRound.start(5);
  const list = roster.shares.messageFor(0);
  await t.rejects(roster.device(0).client.dealShares({ ...list, cohortSize: 2 }), { code: "BELOW_MINIMUM_COHORT" });
  t.throws(() => testParameters({ minimumMembers: 2 }), { code: "BAD_PARAMETERS" });

  const parameters = testParameters({ minimumMembers: 10, minimumSurvivors: 7 });
  const planned = testDevice(0, 1, parameters);
  await planned.client.advertise();
  await t.rejects(planned.client.dealShares(list), {
    code: "BELOW_MINIMUM_COHORT",
    message: /from 10 members; there are 5/,
  });

  // A roster that claims to be large but shows few neighbours, or a threshold that few can reach.
  const claims: Partial<NeighbourList>[] = [
    { cohortSize: 50 },
    { cohortSize: 50, threshold: 34 },
    { threshold: 2 },
    { neighbours: list.neighbours.slice(1) },
    { cohortSize: 101 },
    { member: 1 },
  ];
  for (const claim of claims) {
    const attacked = await TestRound.start(5);
    const lie = { ...attacked.shares.messageFor(0), ...claim };
    await t.rejects(attacked.device(0).client.dealShares(lie), { code: "WRONG_GRAPH" });
  }
});
