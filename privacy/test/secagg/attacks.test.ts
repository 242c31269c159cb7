import t from "tap";
import { nodeDeviceCrypto, nodeUnmaskCrypto } from "../../src/secagg/crypto/device-crypto.node.js";
import { agree } from "../../src/secagg/crypto/key-agreement.js";
import { addMasks } from "../../src/secagg/masking/expander.js";
import { nodeExpander } from "../../src/secagg/masking/expander.node.js";
import { centre, packResidues, unpackResidues } from "../../src/secagg/masking/packing.js";
import { plainAccumulator } from "../../src/secagg/masking/plain-accumulator.js";
import type { NeighbourKeys, NeighbourList, UnmaskAnswer } from "../../src/secagg/messages.js";
import { secAggParameters } from "../../src/secagg/parameters.js";
import { KeysCollection } from "../../src/secagg/server/keys.js";
import { rebuildSecret, type Share } from "../../src/secagg/shamir/shamir.js";
import { pairMaskKey } from "../../src/secagg/transcript.js";
import { testVerifier } from "./ed25519.js";
import { seededBytes, seededRandom } from "./seeded-random.js";
import { finished, opened, plainSum, TestRound, testDevice, testParameters } from "./test-round.js";

/** Replaces the first neighbour's keys in a list. */
function withNeighbour(
  list: NeighbourList,
  change: (neighbour: NeighbourKeys) => Partial<NeighbourKeys>,
): NeighbourList {
  const [first, ...rest] = list.neighbours;
  if (first === undefined) throw new Error("no neighbours");
  return { ...list, neighbours: [{ ...first, ...change(first) }, ...rest] };
}

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
}

/** What a server learns from answers about one dealer: the secret, if it has enough shares of that kind. */
function rebuilt(
  answers: ReadonlyMap<number, UnmaskAnswer>,
  dealer: number,
  type: "self-mask" | "mask-key",
  sharing: { holders: number; threshold: number },
): Uint8Array | undefined {
  const shares: Share[] = [];
  for (const [holder, { shares: revealed }] of answers) {
    const share = revealed.find((candidate) => candidate.member === dealer && candidate.type === type);
    if (share !== undefined) shares.push({ x: holder + 1, value: share.share });
  }
  return shares.length < sharing.threshold ? undefined : rebuildSecret(shares.slice(0, sharing.threshold), sharing);
}

t.test("attack: different survivor sets for different devices: nobody who saw the rarer set answers", async (t) => {
  const round = await TestRound.start(7);
  const confirmations = await round.mask(await round.deal());
  const all = [...confirmations.message.survivors];
  const victim = 6;
  const without = all.filter((member) => member !== victim);
  // The victim's self mask is asked of 0 to 3 and 6, its mask key of 4 and 5. Members 2 and 3 are corrupt: they sign
  // both sets.
  const signatures = new Map<number, Map<number, Uint8Array>>([
    [0, new Map()],
    [1, new Map()],
  ]);
  for (const member of all) {
    const toldWithout = member === 4 || member === 5;
    const set = { survivors: toldWithout ? without : all };
    const { signature } = await round.device(member).client.confirmSurvivors(set);
    signatures.get(toldWithout ? 1 : 0)?.set(member, signature);
    if (member === 2 || member === 3) {
      const twin = await TestRound.start(7);
      const other = await twin.mask(await twin.deal());
      t.strictSame(other.message.survivors, all);
      const second = await twin.device(member).client.confirmSurvivors({ survivors: without });
      signatures.get(1)?.set(member, second.signature);
    }
  }
  const answers = new Map<number, UnmaskAnswer>();
  const refusals: unknown[] = [];
  for (const member of all) {
    const own = signatures.get(member === 4 || member === 5 ? 1 : 0) ?? new Map<number, Uint8Array>();
    const list = [...own].filter(([signer]) => signer !== member).sort(([a], [b]) => a - b);
    const message = { signatures: list.map(([signer, signature]) => ({ member: signer, signature })) };
    await round
      .device(member)
      .client.unmask(message)
      .then(
        (answer) => answers.set(member, answer),
        (error: unknown) => refusals.push(error),
      );
  }
  t.strictSame([...answers.keys()], [0, 1, 2, 3, 6]);
  t.match(refusals, [{ code: "TOO_FEW_SIGNATURES" }, { code: "TOO_FEW_SIGNATURES" }]);
  const sharing = { holders: 7, threshold: 5 };
  t.ok(rebuilt(answers, victim, "self-mask", sharing), "the honest majority's set goes through");
  t.equal(rebuilt(answers, victim, "mask-key", sharing), undefined, "the victim's other secret stays unknown");
});

t.test("attack: signatures over another survivor set are passed off as signatures over this one", async (t) => {
  const round = await TestRound.start(5);
  const confirmations = await round.mask(await round.deal());
  const { client } = round.device(0);
  await client.confirmSurvivors({ survivors: [0, 1, 2, 3] });
  const signatures: { member: number; signature: Uint8Array }[] = [];
  for (const member of [1, 2, 3]) {
    const { signature } = await round.device(member).client.confirmSurvivors(confirmations.message);
    signatures.push({ member, signature });
  }
  await t.rejects(client.unmask({ signatures }), { code: "BAD_SIGNATURE" });
  t.equal(client.state, "left");
});

t.test("attack: a victim listed alive and dead among those that sent shares", async (t) => {
  const round = await TestRound.start(5);
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  const delivery = vectors.messageFor(0);
  await t.rejects(client.maskVector({ ...delivery, gone: [3] }, values), { code: "ALIVE_AND_DEAD" });
});

t.test("attack: a victim that was said to be gone is listed as a survivor", async (t) => {
  const round = await TestRound.start(5);
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  const delivery = vectors.messageFor(0);
  const shares = delivery.shares.filter((share) => share.member !== 3);
  await client.maskVector({ shares, gone: [3] }, values);
  await t.rejects(client.confirmSurvivors({ survivors: [0, 1, 2, 3, 4] }), { code: "ALIVE_AND_DEAD" });
});

t.test("attack: a victim listed twice, or a member nobody knows, among the survivors", async (t) => {
  const lists: readonly [readonly number[], string][] = [
    [[0, 1, 2, 2, 3], "DUPLICATE_MEMBER"],
    [[0, 2, 1, 3, 4], "MALFORMED"],
    [[0, 1, 2, 3, 5], "UNKNOWN_MEMBER"],
    [[0, 1, 2, 3, -1], "UNKNOWN_MEMBER"],
    [[0, 1, 2, 3, 3.5], "UNKNOWN_MEMBER"],
  ];
  for (const [survivors, code] of lists) {
    const round = await TestRound.start(5);
    await round.mask(await round.deal());
    await t.rejects(round.device(0).client.confirmSurvivors({ survivors }), { code });
  }
});

t.test("attack: a device that sent its vector is told that it is dead", async (t) => {
  const round = await TestRound.start(5);
  await round.mask(await round.deal());
  await t.rejects(round.device(0).client.confirmSurvivors({ survivors: [1, 2, 3, 4] }), { code: "LISTED_DEAD" });
});

t.test("attack: survivors below the threshold, or below the plan's tolerance", async (t) => {
  const round = await TestRound.start(7);
  await round.mask(await round.deal());
  await t.rejects(round.device(0).client.confirmSurvivors({ survivors: [0, 1, 2, 3] }), { code: "TOO_FEW_SURVIVORS" });
  const parameters = testParameters({ minimumMembers: 7, minimumSurvivors: 6 });
  const strict = await TestRound.start(7, { parameters });
  await strict.mask(await strict.deal());
  const survivors = [0, 1, 2, 3, 4];
  await t.rejects(strict.device(0).client.confirmSurvivors({ survivors }), { code: "TOO_FEW_SURVIVORS" });
});

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

t.test("attack: survivor signatures replayed from another round are refused", async (t) => {
  const before = await TestRound.start(4, { parameters: testParameters({ round: 1 }) });
  const now = await TestRound.start(4, { parameters: testParameters({ round: 2 }) });
  const oldConfirmations = await before.mask(await before.deal());
  const oldUnmask = await before.confirm(oldConfirmations);
  await now.confirm(await now.mask(await now.deal()));
  await t.rejects(now.device(0).client.unmask(oldUnmask.messageFor(0)), { code: "BAD_SIGNATURE" });
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

t.test("attack: t−1 shares: a server that lacks one share of anybody learns no sum", async (t) => {
  const round = await TestRound.start(7);
  const unmask = await round.confirm(await round.mask(await round.deal()));
  await round.reveal(unmask, new Set([0, 1, 2]));
  t.equal(unmask.size, 4);
  t.notOk(unmask.sufficient);
  await t.rejects(finished(unmask), /TOO_FEW_UNMASK_SHARES: 5 shares of each secret are needed/);
});

t.test("attack: different plans to different devices: neighbours' signatures do not fit", async (t) => {
  const round = await TestRound.start(5);
  const other = testDevice(0, 1, testParameters({ planHash: seededBytes("another plan", 32) }));
  await other.client.advertise();
  const member = round.shares.memberOf(other.signer.publicKey) ?? -1;
  await t.rejects(other.client.dealShares(round.shares.messageFor(member)), { code: "BAD_SIGNATURE" });
});

t.test("attack: different models to different devices: shares do not open, and no sum comes out", async (t) => {
  const parameters = testParameters();
  const otherModel = testParameters({ modelHash: seededBytes("another model", 32) });
  for (const fooled of [1, 2, 4]) {
    const devices = Array.from({ length: 9 }, (_, i) => testDevice(i, 1, i < fooled ? otherModel : parameters));
    const round = await TestRound.start(9, { parameters, devices });
    const vectors = await round.deal();
    let left = 0;
    for (const [member, { client, values }] of round.members) {
      try {
        vectors.receive(member, await client.maskVector(vectors.messageFor(member), values));
      } catch (error) {
        t.match(error, { code: "TOO_FEW_SHARES" });
        left++;
      }
    }
    t.ok(left >= fooled, `${left} devices leave when ${fooled} were shown another model`);
    const attempt = async (): Promise<unknown> => {
      const unmask = await round.confirm(opened(vectors.close()));
      await round.reveal(unmask);
      return finished(unmask);
    };
    await t.rejects(attempt(), /TOO_FEW/);
  }
});

t.test(
  "attack: different models to different devices: even where shares are not needed, masks do not cancel",
  async (t) => {
    const { keyAgreement } = nodeUnmaskCrypto();
    const pair = async (seed: string): Promise<{ secretKey: Uint8Array; publicKey: Uint8Array }> => {
      const secretKey = seededBytes(seed, 32);
      return { secretKey, publicKey: await keyAgreement.publicKey(secretKey) };
    };
    const [here, there] = [await pair("here"), await pair("there")];
    const [secret] = await agree(keyAgreement, here, [there.publicKey]);
    if (secret === undefined) throw new Error("no secret");
    const parameters = testParameters({ length: 4000 });
    const changes = [
      {},
      { modelHash: seededBytes("m", 32) },
      { planHash: seededBytes("p", 32) },
      { session: seededBytes("s", 32) },
      { round: 8 },
      { bits: 19 },
    ];
    for (const change of changes) {
      const sum = plainAccumulator(4000, 18);
      const other = testParameters({ length: 4000, ...change });
      const masks = [
        { key: pairMaskKey(parameters, secret, here.publicKey, there.publicKey), sign: 1 },
        { key: pairMaskKey(other, secret, there.publicKey, here.publicKey), sign: -1 },
      ] as const;
      await addMasks(sum, masks, nodeExpander());
      const zeros = sum.finish().filter((residue) => residue === 0).length;
      // Uniform residues of 18 bits are 0 in 4000/2^18 places on average; more than 4 has probability below 1e-11.
      if (Object.keys(change).length === 0) t.equal(zeros, 4000);
      else t.ok(zeros <= 4, `${Object.keys(change)}: ${zeros} of 4000 coordinates cancel`);
    }
  },
);

t.test(
  "attack: a late “dead” device: its vector is dropped, and what the server learned does not unmask it",
  async (t) => {
    const round = await TestRound.start(7, { parameters: testParameters({ length: 2000 }) });
    const vectors = await round.deal();
    const late = 3;
    const { client, values } = round.device(late);
    const lateVector = await client.maskVector(vectors.messageFor(late), values);
    const confirmations = await round.mask(vectors);
    t.notOk(confirmations.message.survivors.includes(late));
    t.throws(() => vectors.receive(late, lateVector), { code: "WRONG_STATE" });
    const unmask = await round.confirm(confirmations);
    const answers = new Map<number, UnmaskAnswer>();
    for (const member of confirmations.message.survivors) {
      const answer = await round.device(member).client.unmask(unmask.messageFor(member));
      answers.set(member, answer);
      unmask.receive(member, answer);
    }
    const { sum } = await finished(unmask);
    const survivors = confirmations.message.survivors.map((member) => round.device(member));
    t.strictSame([...sum], plainSum(survivors));

    // A dishonest server keeps the late vector, and takes out every pair mask with the mask key it has rebuilt.
    const sharing = { holders: 7, threshold: 5 };
    const secretKey = rebuilt(answers, late, "mask-key", sharing);
    if (secretKey === undefined) throw new Error("the mask key should have been rebuilt");
    t.equal(rebuilt(answers, late, "self-mask", sharing), undefined);
    const { keyAgreement } = nodeUnmaskCrypto();
    const own = { secretKey, publicKey: await keyAgreement.publicKey(secretKey) };
    const others = round.shares.messageFor(late).neighbours;
    const secrets = await agree(
      keyAgreement,
      own,
      others.map((other) => other.maskPublicKey),
    );
    const stripped = plainAccumulator(2000, 18);
    stripped.addPacked(lateVector.vector);
    const masks = others.map((other, i) => ({
      key: pairMaskKey(round.parameters, secrets[i] ?? own.secretKey, own.publicKey, other.maskPublicKey),
      sign: other.member > late ? (-1 as const) : (1 as const),
    }));
    await addMasks(stripped, masks, nodeExpander());
    const seen = centre(stripped.finish(), 18);
    const right = values.filter((value, i) => value === seen[i]).length;
    t.ok(right <= 4, `${right} of 2000 coordinates show through: the self mask hides the rest`);
  },
);

t.test("attack: overflow: no device sends a value that could make the sum wrap", async (t) => {
  for (const value of [1001, -1001, 2 ** 31 - 1, -(2 ** 31)]) {
    const round = await TestRound.start(4);
    const vectors = await round.deal();
    const { client, values } = round.device(0);
    const tooLarge = values.map((own, i) => (i === 20 ? value : own));
    await t.rejects(client.maskVector(vectors.messageFor(0), tooLarge), { code: "OUT_OF_RANGE" });
  }
  const wraps = { ...testParameters(), valueBound: 1311, maximumMembers: 100 };
  t.throws(() => secAggParameters(wraps), { code: "BAD_PARAMETERS", message: /can exceed 18 bits/ });
  t.ok(secAggParameters({ ...wraps, valueBound: 1310 }));
  t.throws(() => secAggParameters({ ...wraps, overflow: "improbable", valueBound: 2 ** 17 }), {
    code: "BAD_PARAMETERS",
  });
  const parameters = testParameters();
  const extremes = Array.from({ length: 8 }, (_, i) => {
    const device = testDevice(i, 1, parameters);
    device.values.fill(-1000);
    return device;
  });
  const round = await TestRound.start(8, { parameters, devices: extremes });
  t.ok((await round.complete(await round.deal())).sum.every((value) => value === -8000));
});

t.test("attack: wrong length: neither side takes a vector that is not the plan's", async (t) => {
  for (const length of [0, 20, 22]) {
    const round = await TestRound.start(4);
    const vectors = await round.deal();
    const { client } = round.device(0);
    await t.rejects(client.maskVector(vectors.messageFor(0), new Int32Array(length)), { code: "WRONG_LENGTH" });
    const vector = packResidues(new Uint32Array(length), 18);
    t.throws(() => vectors.receive(0, { vector }), { code: "WRONG_LENGTH" });
  }
  const round = await TestRound.start(4);
  const vectors = await round.deal();
  t.throws(() => vectors.receive(0, { vector: new Uint8Array(48).fill(255) }), { code: "MALFORMED" });
  t.equal(vectors.size, 0);
});

t.test("attack: a corrupted share is named, and the round completes with enough good ones", async (t) => {
  const round = await TestRound.start(7);
  const unmask = await round.confirm(await round.mask(await round.deal()));
  for (const [member, { client }] of round.members) {
    const answer = await client.unmask(unmask.messageFor(member));
    const lies = member === 2 || member === 5;
    const shares = answer.shares.map((share) =>
      lies && share.member === 4 ? { ...share, share: flipped(share.share) } : share,
    );
    unmask.receive(member, { shares });
  }
  const { sum, falseShares } = await finished(unmask);
  t.strictSame([...sum], plainSum(round.members.values()));
  t.strictSame(falseShares.map(({ holder }) => holder).sort(), [2, 5]);
  t.ok(falseShares.every(({ dealer }) => dealer === 4));
});

t.test("attack: too many corrupted shares end the round, without a sum", async (t) => {
  const round = await TestRound.start(7);
  const unmask = await round.confirm(await round.mask(await round.deal()));
  for (const [member, { client }] of round.members) {
    const { shares } = await client.unmask(unmask.messageFor(member));
    const corrupt = member < 3 ? shares.map((share) => ({ ...share, share: flipped(share.share) })) : shares;
    unmask.receive(member, { shares: corrupt });
  }
  await t.rejects(finished(unmask), /TOO_FEW_UNMASK_SHARES/);
});

t.test("attack: a share corrupted on its way to the holder is not held, and the round completes", async (t) => {
  const round = await TestRound.start(7);
  const vectors = await round.deal();
  const { client, values } = round.device(3);
  const delivery = vectors.messageFor(3);
  const shares = delivery.shares.map((share) => {
    if (share.member !== 1) return share;
    return { ...share, envelope: share.envelope.map((byte, i) => (i === 150 ? byte ^ 1 : byte)) };
  });
  vectors.receive(3, await client.maskVector({ ...delivery, shares }, values));
  t.strictSame(client.faultyDealers, [1]);
  const { sum, falseShares } = await round.complete(vectors);
  t.strictSame([...sum], plainSum(round.members.values()));
  t.strictSame(falseShares, []);
});

t.test("attack: a dealer that commits to another seed than it shares is named, and there is no sum", async (t) => {
  const round = await TestRound.start(5);
  for (const [member, { client }] of round.members) {
    const deal = await client.dealShares(round.shares.messageFor(member));
    const lie = { ...deal, selfMaskCommitment: flipped(deal.selfMaskCommitment) };
    round.shares.receive(member, member === 2 ? lie : deal);
  }
  await t.rejects(round.complete(opened(round.shares.close())), /INCONSISTENT_DEALER: Members 2 dealt/);
});

t.test(
  "attack: the difference of two sums: the same masked vectors are unmasked for one survivor set only",
  async (t) => {
    const round = await TestRound.start(7);
    const confirmations = await round.mask(await round.deal());
    const { survivors } = confirmations.message;
    const victim = 2;
    const unmask = await round.confirm(confirmations);
    const answers = new Map<number, UnmaskAnswer>();
    for (const member of survivors) {
      const { client } = round.device(member);
      answers.set(member, await client.unmask(unmask.messageFor(member)));
      // The server comes back for the sum without the victim.
      const without = survivors.filter((survivor) => survivor !== victim);
      await t.rejects(client.confirmSurvivors({ survivors: without }), { code: "WRONG_STATE" });
      await t.rejects(client.unmask(unmask.messageFor(member)), { code: "WRONG_STATE" });
    }
    // What it has are the self masks of everybody; without the victim's mask key its pair masks stay in the others' sum.
    t.equal(rebuilt(answers, victim, "mask-key", { holders: 7, threshold: 5 }), undefined);
    t.notOk([...answers.values()].some(({ shares }) => shares.some((share) => share.type === "mask-key")));
    for (const { shares } of answers.values()) {
      t.equal(new Set(shares.map((share) => share.member)).size, shares.length, "one share of each dealer");
    }
  },
);

t.test("attack: a device is asked for a kind of share that the survivor set does not call for", async (t) => {
  const round = await TestRound.start(4);
  const unmask = await round.confirm(await round.mask(await round.deal()));
  const { shares } = await round.device(1).client.unmask(unmask.messageFor(1));
  const wrongKind = shares.map((share) => (share.member === 3 ? { ...share, type: "mask-key" as const } : share));
  t.throws(() => unmask.receive(1, { shares: wrongKind }), { code: "WRONG_SHARE_KIND" });
  t.equal(unmask.size, 0);
});

t.test("a masked vector alone looks uniform, whatever it hides (chi-square, false alarm 1e-4)", async (t) => {
  const parameters = testParameters({ length: 25_600, bits: 8, valueBound: 1 });
  const devices = Array.from({ length: 3 }, (_, i) => testDevice(i, 1, parameters));
  const round = await TestRound.start(3, { parameters, devices });
  const vectors = await round.deal();
  const { vector } = await round.device(0).client.maskVector(vectors.messageFor(0), new Int32Array(25_600));
  const counts = new Uint32Array(256);
  for (const residue of unpackResidues(vector, 25_600, 8)) counts[residue] = (counts[residue] ?? 0) + 1;
  const chiSquare = counts.reduce((total, count) => total + (count - 100) ** 2 / 100, 0);
  t.ok(chiSquare < 347.7, `${chiSquare} is above the 1 − 1e-4 quantile for 255 degrees of freedom`);
});
