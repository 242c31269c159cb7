import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { decodeBase64Url, entryLeafHash, parseEntry, readCloseEntry } from "@fedloop/consent";
import { packSigned } from "@fedloop/privacy";
import {
  Artifacts,
  CHUNK_BYTES,
  methodPath,
  type RoundEvent,
  RoundState,
  Rounds,
  Transparency,
  WaitReason,
} from "@fedloop/proto";
import t, { type Test } from "tap";
import { encodeSafetensors } from "../../src/models/safetensors.js";
import { Federation, type FederationOptions } from "../server/federation.js";
import { centralNoise, POPULATION } from "../server/plans.js";
import { callOpen, floatUpdate, RawDevice, refusal, submissionOf } from "./raw-device.js";

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

interface Underway {
  readonly federation: Federation;
  readonly devices: readonly [RawDevice, RawDevice, RawDevice];
  readonly end: () => Promise<void>;
}

/** A round that selects among three devices which do as the test says. */
async function selecting(t: Test, options: FederationOptions = {}): Promise<Underway> {
  const federation = await Federation.open(t, options);
  const devices = [
    await RawDevice.enter(federation.transport),
    await RawDevice.enter(federation.transport),
    await RawDevice.enter(federation.transport),
  ] as const;
  const running = federation.run();
  await federation.notice(({ state }) => state === "selecting");
  return { federation, devices, end: () => running };
}

/** The same, with all three in the cohort. */
async function collecting(t: Test, options: FederationOptions = {}): Promise<Underway> {
  const underway = await selecting(t, options);
  for (const device of underway.devices) await device.join();
  await underway.federation.notice(({ state }) => state === "masked");
  return underway;
}

t.test(
  "a join of another plan, another round or under another signature is refused; the honest one is taken",
  async (t) => {
    const { devices } = await selecting(t);
    const [device, other] = devices;
    const join = device.joinOf(await device.offer());
    await t.rejects(device.checkIn({ ...join, plan: randomBytes(32) }), refusal("STALE_OFFER"));
    await t.rejects(device.checkIn({ ...join, plan: new Uint8Array() }), refusal("STALE_OFFER"));
    await t.rejects(device.checkIn({ ...join, round: 2n }), refusal("STALE_OFFER"));
    await t.rejects(device.checkIn({ ...join, round: 2n ** 63n }), refusal("STALE_OFFER"));
    await t.rejects(other.checkIn(join), refusal("BAD_SIGNATURE"), "of another device");
    await t.rejects(device.checkIn({ ...join, signature: randomBytes(64) }), refusal("BAD_SIGNATURE"));
    await t.rejects(device.checkIn({ ...join, signature: new Uint8Array() }), refusal("BAD_SIGNATURE"));
    const joined = { outcome: { case: "joined", value: { round: 1n, state: RoundState.SELECTING } } };
    t.match(await device.checkIn(join), joined);
    t.match(await device.checkIn(join), joined, "asked again, the device has its place still");
    t.match(await device.checkIn(), joined);
  },
);

t.test("without consent there is no offer and no place", async (t) => {
  const { federation, devices } = await selecting(t);
  const stranger = await RawDevice.enter(federation.transport, { consents: false });
  await t.rejects(stranger.checkIn(), refusal("NO_CONSENT"));
  const { plan, round } = devices[0].joinOf(await devices[0].offer());
  const offer = { round, plan, signature: randomBytes(64) };
  await t.rejects(stranger.checkIn(offer), { code: "REMOTE" });
  const late = await RawDevice.enter(federation.transport);
  t.match(
    await late.checkIn(),
    { outcome: { case: "wait", value: { reason: WaitReason.NO_ROUND } } },
    "a consent after the plan counts for the next round",
  );
});

t.test("a full cohort takes nobody more, and says when to come back", async (t) => {
  const { devices, federation } = await selecting(t, { plan: { cohort: { target: 2, minimum: 2, overSelection: 1 } } });
  const [first, second, third] = devices;
  const join = third.joinOf(await third.offer());
  await first.join();
  await second.join();
  await federation.notice(({ state }) => state === "masked");
  for (const outcome of [await third.checkIn(join), await third.checkIn()]) {
    t.match(outcome, { outcome: { case: "wait", value: { reason: WaitReason.FULL } } });
  }
  await t.rejects(third.submit(1, floatUpdate(1, 1, 1)), refusal("NOT_IN_ROUND"));
});

t.test("who left a round that collects, and comes back, is not told that it has a place", async (t) => {
  const { devices, federation } = await selecting(t, { plan: { cohort: { target: 2, minimum: 1, overSelection: 1 } } });
  const [first, second] = devices;
  const join = first.joinOf(await first.offer());
  await first.checkIn(join);
  await second.join();
  await federation.notice(({ state }) => state === "masked");
  t.match(await first.checkIn(), { outcome: { case: "joined" } });
  await first.call(Rounds.method.leave, { population: POPULATION, round: 1n, reason: "ABORTED" });
  for (const outcome of [await first.checkIn(), await first.checkIn(join)]) {
    t.match(outcome, { outcome: { case: "wait", value: { reason: WaitReason.FULL } } });
  }
});

t.test("who refuses a plan is not waited for, keeps its consent, and is offered the round again", async (t) => {
  const { devices, federation } = await selecting(t, { plan: { cohort: { target: 3, minimum: 2, overSelection: 1 } } });
  const [first, second, third] = devices;
  const offered = { outcome: { case: "offer", value: { round: 1n } } };
  t.match(await third.checkIn(), offered);
  await third.call(Rounds.method.leave, { population: POPULATION, round: 1n, reason: "GUARD_BUDGET" });
  t.match(await third.checkIn(), offered);
  await first.join();
  await second.join();
  await federation.notice(({ state }) => state === "masked");
  t.match(await third.checkIn(), { outcome: { case: "wait", value: { reason: WaitReason.FULL } } });
});

t.test("an offer proves that the log grew from what the device knows, and not from what cannot be", async (t) => {
  const { devices } = await selecting(t);
  const [device] = devices;
  const { outcome } = await device.call(Rounds.method.checkIn, { population: POPULATION, knownTreeSize: 2n });
  t.match(outcome, { case: "offer", value: { consistency: { oldSize: 2n } } });
  const beyond = device.call(Rounds.method.checkIn, { population: POPULATION, knownTreeSize: 1_000n });
  await t.rejects(beyond, refusal("OUT_OF_RANGE"));
});

t.test("updates that are not what the plan asks for leave the sum as it was", async (t) => {
  const { federation, devices, end } = await collecting(t);
  const [device, second, third] = devices;
  const hostile: readonly (readonly [string, Uint8Array, string])[] = [
    ["too short", floatUpdate(1, 1), "WRONG_LENGTH"],
    ["too long", floatUpdate(1, 1, 1, 1), "WRONG_LENGTH"],
    ["not of whole numbers of bytes", new Uint8Array(11), "WRONG_LENGTH"],
    ["NaN", floatUpdate(1, Number.NaN, 1), "NON_FINITE"],
    ["infinite", floatUpdate(1, 1, Number.NEGATIVE_INFINITY), "NON_FINITE"],
    ["nothing at all", new Uint8Array(), "INCOMPLETE_UPLOAD"],
  ];
  for (const [name, update, code] of hostile) await t.rejects(device.submit(1, update), refusal(code), name);
  for (const round of [0, 2]) await t.rejects(device.submit(round, floatUpdate(1, 1, 1)), refusal("NOT_IN_ROUND"));
  t.match(await device.submit(1, floatUpdate(1, 2, 3)), { accepted: true });
  t.match(await device.submit(1, floatUpdate(1, 2, 3)), { accepted: true }, "repeated, it is counted once");
  await t.rejects(device.submit(1, floatUpdate(9, 9, 9)), refusal("CONFLICT"));
  await second.submit(1, floatUpdate(1, 1, 1));
  await third.submit(1, floatUpdate(1, 3, 2));
  await end();
  t.same(await federation.model(), [1, 2, 2]);
  await t.rejects(device.submit(1, floatUpdate(1, 2, 4)), { code: "REMOTE" }, "the round is over");
  t.same(federation.faults, []);
});

t.test("an update beyond the norm bound is refused, since the noise is made for the bound", async (t) => {
  const { federation, devices, end } = await collecting(t, { plan: centralNoise(1, 100) });
  const [device, second, third] = devices;
  const [plan] = await federation.entries("round.plan");
  const { bits, integerNormBound } = plan?.body.update ?? { bits: 0, integerNormBound: 0 };
  const encode = (first: number): Uint8Array => packSigned(Int32Array.of(first, 0, 0), bits);
  const over = packSigned(Int32Array.of(integerNormBound, 1, 0), bits);
  await t.rejects(device.submit(1, over), refusal("NORM_EXCEEDED"));
  await device.submit(1, encode(integerNormBound));
  await second.submit(1, encode(-integerNormBound));
  await third.submit(1, encode(0));
  await end();
  t.equal(federation.population.finished, "rounds-done");
  t.same((await federation.audit()).findings, []);
});

t.test("an inline update other than the one that the signed digest names is refused", async (t) => {
  const { devices } = await collecting(t);
  const [device] = devices;
  const { chunksSha256 } = submissionOf(floatUpdate(1, 2, 3));
  await t.rejects(device.submit(1, floatUpdate(1, 2, 4), chunksSha256), refusal("BAD_DIGEST"));
  await t.rejects(device.submit(1, floatUpdate(1, 2, 3), new Uint8Array()), refusal("BAD_DIGEST"));
  t.match(await device.submit(1, floatUpdate(1, 2, 3), chunksSha256), { accepted: true });
});

t.test("who gives its place back is out of the round, and can say so twice", async (t) => {
  const { federation, devices, end } = await collecting(t, {
    plan: { cohort: { target: 3, minimum: 2, overSelection: 1 } },
  });
  const [device, second, third] = devices;
  const leave = { population: POPULATION, round: 1n, reason: "ABORTED" };
  await device.call(Rounds.method.leave, leave);
  await device.call(Rounds.method.leave, leave);
  await device.call(Rounds.method.leave, { ...leave, round: 77n });
  await t.rejects(device.submit(1, floatUpdate(1, 1, 1)), refusal("NOT_IN_ROUND"));
  await second.submit(1, floatUpdate(3, 3, 3));
  await third.submit(1, floatUpdate(3, 3, 3));
  await end();
  t.same(await federation.model(), [2, 2, 2]);
});

/** A model whose update takes three chunks, the last of them short. */
const LARGE = 2 * (CHUNK_BYTES / 4) + 5;

t.test("a large update comes in chunks, in any order and twice, and is counted once", async (t) => {
  const { federation, devices, end } = await collecting(t, {
    plan: { model: { parameters: LARGE }, cohort: { target: 3, minimum: 1, overSelection: 1 } },
  });
  const [device, second, third] = devices;
  const update = new Uint8Array(new Float32Array(LARGE).fill(1.5).buffer);
  const chunk = (index: number) => {
    const data = update.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    const offset = BigInt(index * CHUNK_BYTES);
    return { population: POPULATION, round: 1n, totalBytes: BigInt(update.length), offset, data, sha256: sha256(data) };
  };
  const send = async (index: number, changes: Partial<ReturnType<typeof chunk>> = {}): Promise<number> => {
    const { nextOffset } = await device.call(Artifacts.method.uploadChunk, { ...chunk(index), ...changes });
    return Number(nextOffset);
  };
  const whole = sha256(chunk(0).sha256, chunk(1).sha256, chunk(2).sha256);
  t.equal(await send(2), 0);
  await t.rejects(device.submit(1, new Uint8Array(), whole), refusal("INCOMPLETE_UPLOAD"));
  await t.rejects(send(0, { sha256: randomBytes(32) }), refusal("BAD_DIGEST"));
  await t.rejects(send(0, { offset: 1n }), refusal("OUT_OF_RANGE"));
  await t.rejects(send(0, { offset: 2n ** 64n - 1n }), refusal("OUT_OF_RANGE"));
  await t.rejects(send(0, { totalBytes: 1n }), refusal("OUT_OF_RANGE"));
  await t.rejects(send(0, { totalBytes: 2n ** 40n }), refusal("OUT_OF_RANGE"));
  await t.rejects(send(0, { data: new Uint8Array(1) }), refusal("OUT_OF_RANGE"));
  await t.rejects(send(0, { round: 2n }), refusal("NOT_IN_ROUND"));
  t.equal(await send(0), CHUNK_BYTES);
  t.equal(await send(0), CHUNK_BYTES);
  const other = new Uint8Array(CHUNK_BYTES).fill(1);
  await t.rejects(send(0, { data: other, sha256: sha256(other) }), refusal("CONFLICT"));
  t.equal(await send(1), update.length);
  await t.rejects(device.submit(1, new Uint8Array(), randomBytes(32)), refusal("BAD_DIGEST"));
  t.match(await device.submit(1, new Uint8Array(), whole), { accepted: true });
  t.match(await device.submit(1, new Uint8Array(), whole), { accepted: true });
  t.equal(await send(1), update.length, "a chunk that comes late is harmless");
  const gone = { population: POPULATION, round: 1n };
  await second.call(Rounds.method.leave, gone);
  await third.call(Rounds.method.leave, gone);
  await end();
  t.same(new Set(await federation.model()), new Set([0.5]));
  t.same(federation.faults, []);
});

t.test("beyond the uploads that the server holds at a time, a device is told when to come back", async (t) => {
  const { devices } = await collecting(t, {
    plan: { model: { parameters: LARGE }, cohort: { target: 3, minimum: 2, overSelection: 1 } },
    concurrentUploads: 1,
  });
  const [first, second] = devices;
  const data = new Uint8Array(CHUNK_BYTES);
  const request = {
    population: POPULATION,
    round: 1n,
    totalBytes: BigInt(4 * LARGE),
    offset: 0n,
    data,
    sha256: sha256(data),
  };
  await first.call(Artifacts.method.uploadChunk, request);
  const busy = second.call(Artifacts.method.uploadChunk, request).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  t.match(await busy, { remoteCode: "BUSY", retryAfterMs: 50 });
  const { sha256: _, data: __, ...place } = request;
  const ask = (waitMs: number) => second.call(Artifacts.method.uploadChunk, { ...place, waitMs });
  await t.rejects(ask(1), refusal("BUSY"));
  const held = ask(60_000);
  await first.call(Rounds.method.leave, { population: POPULATION, round: 1n });
  t.equal((await held).nextOffset, 0n, "a device that waits has the place as soon as it is free");
  t.equal((await second.call(Artifacts.method.uploadChunk, request)).nextOffset, BigInt(CHUNK_BYTES));
  t.equal((await ask(0)).nextOffset, BigInt(CHUNK_BYTES), "asked again, it is told where to go on");
});

t.test("the model comes from any offset; another artifact, or an offset beyond it, is refused", async (t) => {
  const { devices, federation } = await selecting(t, { plan: { model: { parameters: LARGE } } });
  const [device] = devices;
  const [plan] = await federation.entries("round.plan");
  const hash = Buffer.from(plan?.body.model.sha256 ?? "", "base64url");
  const model = encodeSafetensors({
    tensors: [{ name: "parameters", shape: [LARGE] }],
    parameters: new Float32Array(LARGE),
    metadata: { population: POPULATION, round: "0" },
  });
  const get = async (sha256: Uint8Array, offset: bigint): Promise<Buffer> => {
    const chunks = await device.stream(Artifacts.method.getArtifact, { sha256, offset });
    let next = offset;
    for (const chunk of chunks) {
      t.equal(chunk.offset, next);
      t.equal(chunk.totalBytes, BigInt(model.length));
      next += BigInt(chunk.data.length);
    }
    return Buffer.concat(chunks.map(({ data }) => data));
  };
  for (const offset of [0, 1, CHUNK_BYTES, model.length - 1, model.length]) {
    t.ok((await get(hash, BigInt(offset))).equals(Buffer.from(model).subarray(offset)), `from ${offset}`);
  }
  await t.rejects(get(randomBytes(32), 0n), refusal("NOT_FOUND"));
  await t.rejects(get(new Uint8Array(), 0n), refusal("NOT_FOUND"));
  await t.rejects(get(hash, BigInt(model.length + 1)), refusal("OUT_OF_RANGE"));
  await t.rejects(get(hash, 2n ** 64n - 1n), refusal("OUT_OF_RANGE"));
  t.same(federation.faults, []);
});

t.test(
  "how a plan's round was closed is told by its plan, once it is; shares for it are late then, and no error",
  async (t) => {
    const { federation, devices } = await selecting(t);
    const [device] = devices;
    const { plan } = await device.offer();
    const entry = parseEntry(plan?.entry ?? new Uint8Array());
    const closedPlan = decodeBase64Url(entryLeafHash(entry));
    const ask = () => callOpen(federation.transport, Transparency.method.getInclusionProof, { closedPlan });
    await t.rejects(ask(), refusal("NOT_FOUND"));
    await federation.population.abandonRound(1);
    await federation.notice(({ round, state }) => round === 2 && state === "selecting");
    const close = readCloseEntry((await ask()).receipt?.entry ?? new Uint8Array());
    t.match(close.body, { round: 1, outcome: "abandoned", plan: entryLeafHash(entry) });
    await t.rejects(
      callOpen(federation.transport, Transparency.method.getInclusionProof, { closedPlan: randomBytes(32) }),
      refusal("NOT_FOUND"),
    );
    const late = { population: POPULATION, shares: [] };
    t.match(await device.call(Rounds.method.unmask, { ...late, round: 1n }), {});
    await t.rejects(device.call(Rounds.method.unmask, { ...late, round: 3n }), refusal("NOT_IN_ROUND"));
  },
);

t.test("calls that belong to secure aggregation are refused in a round without", async (t) => {
  const { devices } = await collecting(t);
  const [device] = devices;
  const request = { population: POPULATION, round: 1n };
  const { advertiseKeys, shareKeys, confirmSurvivors, unmask } = Rounds.method;
  await t.rejects(device.call(advertiseKeys, request), refusal("WRONG_STATE"));
  await t.rejects(device.call(shareKeys, request), refusal("WRONG_STATE"));
  await t.rejects(device.call(confirmSurvivors, request), refusal("WRONG_STATE"));
  await t.rejects(device.call(unmask, request), refusal("WRONG_STATE"));
});

t.test("who watches hears the present state first, what follows, and the end when the server drains", async (t) => {
  const { devices, federation, end } = await selecting(t);
  const [device] = devices;
  const events = device.open(Rounds.method.watch, { population: POPULATION });
  const next = async (): Promise<RoundEvent | undefined> => (await events.next()).value;
  t.match(await next(), { round: 1n, state: RoundState.SELECTING });
  for (const each of devices) await each.join();
  t.match(await next(), { round: 1n, state: RoundState.MASKED });
  for (const each of devices) await each.submit(1, floatUpdate(1, 1, 1));
  await end();
  let event = await next();
  t.match(event, { round: 1n, state: RoundState.CLOSED });
  // A reader that is slow hears only the last of what follows at once.
  while (event?.next?.reason !== WaitReason.FINISHED) event = await next();
  const last = events.next();
  await federation.coordinator.close();
  t.match(await last, { done: true });
});

t.test("who watches before there is a round is told so at once, and then of the round", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const events = device.open(Rounds.method.watch, { population: POPULATION, knownTreeSize: 0n });
  const { value } = await events.next();
  t.match(value, { round: 0n, state: RoundState.UNSPECIFIED, next: undefined, offer: undefined });
  for (let people = 1; people < 3; people++) await RawDevice.enter(federation.transport);
  const running = federation.run();
  t.match((await events.next()).value, { round: 1n, state: RoundState.SELECTING });
  await federation.coordinator.close();
  await running;
});

t.test("who watches with the tree that it knows is offered the round with the event, and joins at once", async (t) => {
  const { devices, end } = await selecting(t);
  const [device] = devices;
  const asked = await device.offer();
  const events = device.open(Rounds.method.watch, { population: POPULATION, knownTreeSize: 0n });
  const { value } = await events.next();
  t.same(value?.offer, asked, "what a check-in is answered");
  const outsider = await RawDevice.enter(device.transport, { consents: false });
  const others = outsider.open(Rounds.method.watch, { population: POPULATION, knownTreeSize: 0n });
  t.match((await others.next()).value, { state: RoundState.SELECTING, offer: undefined }, "without consent no offer");
  const { outcome } = await device.checkIn(device.joinOf(value?.offer ?? asked));
  t.equal(outcome.case, "joined");
  for (const each of devices) if (each !== device) await each.join();
  for (const each of devices) await each.submit(1, floatUpdate(1, 1, 1));
  await end();
});

t.test("a peer that reads nothing, and never ends its connection, does not keep the server from closing", async (t) => {
  const { devices, federation } = await selecting(t);
  const session = connect(`http://${federation.address}`);
  t.teardown(() => session.destroy());
  const method = Rounds.method.watch;
  const body = toBinary(method.input, create(method.input, { population: POPULATION }));
  const stream = session.request({
    ":method": "POST",
    ":path": methodPath(method),
    "content-type": "application/grpc",
    ...devices[0].metadata(method, body),
  });
  stream.on("error", () => {});
  session.on("error", () => {});
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]));
  await once(stream, "response");
  await federation.coordinator.close();
  t.pass("it closed");
});

t.test("a small model comes with the place, as GetArtifact has it; a larger one does not", async (t) => {
  const small = await selecting(t);
  const [device] = small.devices;
  const [plan] = await small.federation.entries("round.plan");
  const { outcome } = await device.join();
  const model = outcome.case === "joined" ? outcome.value.model : new Uint8Array();
  t.equal(sha256(model).toString("base64url"), plan?.body.model.sha256);
  const large = await selecting(t, { plan: { model: { parameters: LARGE } } });
  const answer = await large.devices[0].join();
  t.equal(answer.outcome.case === "joined" ? answer.outcome.value.model.length : -1, 0);
});

t.test("who watches is told that the rounds are done even by a server that ends with them", async (t) => {
  const { devices, federation, end } = await selecting(t);
  const watching = devices[0].stream(Rounds.method.watch, { population: POPULATION });
  for (const each of devices) await each.join();
  await federation.notice(({ state }) => state === "masked");
  for (const each of devices) await each.submit(1, floatUpdate(1, 1, 1));
  await end();
  await federation.coordinator.close();
  t.match((await watching).at(-1), { state: RoundState.CLOSED, next: { reason: WaitReason.FINISHED } });
});
