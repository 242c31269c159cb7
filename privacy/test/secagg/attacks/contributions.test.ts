// Attacks by what devices contribute: vectors and shares that are wrong.
import t from "tap";
import { packResidues, unpackResidues } from "../../../src/secagg/masking/packing.js";
import type { UnmaskAnswer } from "../../../src/secagg/messages.js";
import { secAggParameters } from "../../../src/secagg/parameters.js";
import { finished, opened, plainSum, TestRound, testDevice, testParameters } from "../test-round.js";
import { flipped, rebuilt } from "./tampering.js";

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
