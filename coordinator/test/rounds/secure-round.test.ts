import { createHash } from "node:crypto";
import { generateNodeSigner, type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { inlineUnmaskEngine, SecAggClient, type SecAggParameters, secAggParameters } from "@fedloop/privacy/secagg";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import type { Member } from "../../src/rounds/cohort.js";
import type { SecureGroup } from "../../src/rounds/secure-group.js";
import { SecureRound } from "../../src/rounds/secure-round.js";

const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
const hash = (text: string): Uint8Array => createHash("sha256").update(text).digest();

const parameters: SecAggParameters = secAggParameters({
  session: hash("session"),
  round: 1,
  planHash: hash("plan"),
  modelHash: hash("model"),
  length: 3,
  bits: 16,
  valueBound: 100,
  overflow: "impossible",
  graph: { type: "complete" },
  minimumMembers: 5,
  maximumMembers: 9,
  minimumSurvivors: 4,
});

interface Person extends Member {
  readonly signer: NodeSigner;
  readonly client: SecAggClient;
}

function person(number: number): Person {
  const signer = generateNodeSigner();
  return {
    device: {
      id: `device-${number}`,
      subject: `subject-${number}`,
      population: "p",
      publicKey: signer.publicKey,
      session: null,
      sessionExpiresMs: 0,
    },
    consentIndex: 0,
    joinSignature: new Uint8Array(64),
    joinedMs: 0,
    state: "joined",
    submitted: null,
    maskKey: null,
    signer,
    client: new SecAggClient({ parameters, signer, minimumMembers: 3 }, crypto),
  };
}

/** Twelve people in two groups of six, on their way through the steps. */
function twoGroups(): { round: SecureRound; groups: Map<SecureGroup, Person[]> } {
  const people = Array.from({ length: 12 }, (_, number) => person(number));
  const { random, verifier } = crypto;
  const round = new SecureRound({ parameters, groupTarget: 6, verifier, random, engine: inlineUnmaskEngine(crypto) });
  round.begin(people);
  const groups = new Map<SecureGroup, Person[]>();
  for (const each of people) {
    const group = round.groupOf(each.device);
    groups.set(group, [...(groups.get(group) ?? []), each]);
  }
  return { round, groups };
}

t.test("a group that falls below its minimum is left out, and the others' sum is right", async (t) => {
  const { round, groups } = twoGroups();
  using _ = round;
  const [[kept, members] = [], [lost, others] = []] = groups;
  if (kept === undefined || members === undefined || lost === undefined || others === undefined) {
    throw new Error("expected two groups");
  }
  t.same(
    [...groups.values()].map(({ length }) => length),
    [6, 6],
  );
  for (const { device, client } of [...members, ...others]) {
    t.equal(await round.groupOf(device).advertise(device, await client.advertise()), "accepted");
  }
  t.same(await round.close("keys"), { members: 12, expected: 12, isBroken: false });
  for (const { device, client } of [...members, ...others.slice(0, 5)]) {
    const group = round.groupOf(device);
    const list = group.neighboursOf(device);
    if (list === undefined) throw new Error("expected neighbours");
    const deal = await client.dealShares(list);
    t.equal(group.deal(device, deal), "accepted");
    t.equal(group.deal(device, deal), "repeated");
  }
  // Five of six are as few as the threshold allows: with four vectors the group is lost.
  t.same(await round.close("shares"), { members: 11, expected: 11, isBroken: false });
  for (const { device, client } of [...members, ...others.slice(0, 5)]) {
    const group = round.groupOf(device);
    const delivery = group.deliveryFor(device);
    if (delivery === undefined) throw new Error("expected shares");
    const { vector } = await client.maskVector(delivery, Int32Array.of(1, -2, 3));
    if (group === lost && device === others[0]?.device) continue;
    group.add(device, vector);
  }
  t.same(await round.close("masked"), { members: 6, expected: 6, isBroken: false });
  t.ok(lost.isLeftOut);
  const [other] = others;
  if (other === undefined) throw new Error("expected a member");
  t.equal(round.includes(other.device), false);
  t.throws(() => round.groupOf(other.device), { code: "NOT_IN_ROUND" });
  for (const { device, client } of members) {
    const set = kept.survivors();
    if (set === undefined) throw new Error("expected survivors");
    await kept.confirm(device, await client.confirmSurvivors(set));
  }
  t.same(await round.close("consistency"), { members: 6, expected: 6, isBroken: false });
  t.equal(round.isSufficient, false);
  for (const { device, client } of members) {
    const confirmations = kept.confirmationsFor(device);
    if (confirmations === undefined) throw new Error("expected signatures");
    kept.reveal(device, await client.unmask(confirmations));
  }
  t.equal(round.isSufficient, true);
  t.same(await round.finish(), {
    collected: { values: Float64Array.of(6, -12, 18) },
    members: 6,
    isInconsistent: false,
  });
  const [first] = members;
  t.equal(first === undefined ? 0 : round.maskKeyDigest(first.device)?.length, 32);
});

t.test("who has left is expected in no step, and a step that is over takes no first answer", async (t) => {
  const { round, groups } = twoGroups();
  using _ = round;
  const people = [...groups.values()].flat();
  for (const { device, client } of people) await round.groupOf(device).advertise(device, await client.advertise());
  const [leaving] = people;
  if (leaving === undefined) throw new Error("expected people");
  t.equal(round.expects(leaving.device, "shares"), true);
  round.leave(leaving.device);
  t.equal(round.expects(leaving.device, "shares"), false);
  t.same(await round.close("keys"), { members: 12, expected: 11, isBroken: false });
  const late = person(99);
  await t.rejects(round.groupOf(leaving.device).advertise(late.device, await late.client.advertise()), {
    code: "WRONG_STATE",
  });
});
