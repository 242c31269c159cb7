import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner } from "@fedloop/consent/node";
import { Consent, Enrollment, MAX_MESSAGE_BYTES, METADATA, Rounds } from "@fedloop/proto";
import t from "tap";
import { SESSION_MS } from "../../src/registry/registry.js";
import { Federation } from "../server/federation.js";
import { POPULATION } from "../server/plans.js";
import { callOpen, enrolment, RawDevice, refusal, type Tampering } from "./raw-device.js";

const MINUTE_MS = 60_000;

/** A clock that a test moves, at the platform's time to begin with. */
function movedClock(): { offsetMs: number; now(): number } {
  return {
    offsetMs: 0,
    now() {
      return Date.now() + this.offsetMs;
    },
  };
}

t.test("a request that is not the device's own, or not new, is refused under its own code", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const other = await RawDevice.enter(federation.transport);
  const request = { population: POPULATION };
  const hostile: readonly (readonly [string, Tampering, string])[] = [
    ...Object.values(METADATA)
      .filter((name) => name !== METADATA.error)
      .map((name) => [`without ${name}`, { without: name }, "BAD_REQUEST"] as const),
    ["a nonce of another length", { nonce: "abc" }, "BAD_REQUEST"],
    ["a negative time", { timeMs: -1 }, "BAD_REQUEST"],
    ["an unknown device", { deviceId: randomBytes(16).toString("base64url") }, "SESSION_EXPIRED"],
    ["an unknown session", { session: randomBytes(16).toString("base64url") }, "SESSION_EXPIRED"],
    ["another device's session", { session: other.session }, "SESSION_EXPIRED"],
    ["another device's key", { signer: other.signer }, "BAD_SIGNATURE"],
    ["a signature over another body", { signedBody: Buffer.from("other") }, "BAD_SIGNATURE"],
    ["a signature over another method", { signedPath: "/fedloop.v1.Rounds/Leave" }, "BAD_SIGNATURE"],
    ["an old time", { timeMs: Date.now() - 6 * MINUTE_MS }, "CLOCK_SKEW"],
    ["a future time", { timeMs: Date.now() + 6 * MINUTE_MS }, "CLOCK_SKEW"],
    ["a time before the server started", { timeMs: Date.now() - 4 * MINUTE_MS }, "CLOCK_SKEW"],
  ];
  for (const [name, tampering, remoteCode] of hostile) {
    await t.rejects(device.call(Rounds.method.checkIn, request, tampering), refusal(remoteCode), name);
    await t.resolves(device.call(Rounds.method.checkIn, request), `an honest request after ${name}`);
  }
  t.same(federation.faults, []);
});

t.test("a request that comes twice is refused the second time; a forged one does not use its nonce up", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const nonce = randomBytes(16).toString("base64url");
  const request = { population: POPULATION };
  const forged = { nonce, signer: generateNodeSigner() };
  await t.rejects(device.call(Rounds.method.checkIn, request, forged), refusal("BAD_SIGNATURE"));
  await t.resolves(device.call(Rounds.method.checkIn, request, { nonce }));
  await t.rejects(device.call(Rounds.method.checkIn, request, { nonce }), refusal("REPLAYED"));
});

t.test("a refusal for the clock's sake tells the server's time", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const refused = device.call(Rounds.method.checkIn, { population: POPULATION }, { timeMs: 1 });
  const { serverTimeMs } = await refused.then(
    () => ({ serverTimeMs: 0 }),
    (error: { serverTimeMs: number }) => error,
  );
  t.ok(Math.abs(serverTimeMs - Date.now()) < MINUTE_MS);
});

t.test("a stream is signed like any call, and its error has the same detail", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const forged = device.open(Rounds.method.watch, { population: POPULATION }, { signer: generateNodeSigner() });
  await t.rejects(forged.next(), refusal("BAD_SIGNATURE"));
  await t.rejects(device.stream(Rounds.method.watch, { population: "strangers" }), refusal("UNKNOWN_POPULATION"));
});

t.test("an expired session ends; the same key gets a new one, and is the same participant", async (t) => {
  const clock = movedClock();
  const federation = await Federation.open(t, { clock });
  const device = await RawDevice.enter(federation.transport);
  const { subject, deviceId } = device;
  clock.offsetMs = SESSION_MS;
  const timeMs = Date.now() + SESSION_MS;
  await t.rejects(
    device.call(Rounds.method.checkIn, { population: POPULATION }, { timeMs }),
    refusal("SESSION_EXPIRED"),
  );
  const answer = await callOpen(federation.transport, Enrollment.method.enroll, enrolment(device.signer, { timeMs }));
  t.equal(answer.subject, subject);
  t.equal(Buffer.from(answer.deviceId).toString("base64url"), deviceId);
  device.session = Buffer.from(answer.session).toString("base64url");
  await t.resolves(device.call(Rounds.method.checkIn, { population: POPULATION }, { timeMs }));
});

t.test("a new session ends the one before", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const { session } = device;
  await device.enroll();
  await t.rejects(
    device.call(Rounds.method.checkIn, { population: POPULATION }, { session }),
    refusal("SESSION_EXPIRED"),
  );
  await t.resolves(device.checkIn());
});

t.test("a participant of the runtime comes back by itself when its session has expired", async (t) => {
  const clock = movedClock();
  const federation = await Federation.open(t, { clock });
  const person = await federation.join();
  clock.offsetMs = SESSION_MS;
  await person.withdraw();
  t.equal((await federation.entries("consent.withdrawn")).length, 1);
});

t.test("who has left is unknown until it enrolls again", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const { subject } = device;
  await device.call(Enrollment.method.leave, {});
  await t.rejects(device.checkIn(), refusal("SESSION_EXPIRED"));
  t.equal((await device.enroll()).subject, subject);
  await t.resolves(device.checkIn());
});

t.test("populations that a device is not of, or that nobody knows, are refused", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const refused = refusal("UNKNOWN_POPULATION");
  await t.rejects(device.call(Rounds.method.checkIn, { population: "strangers" }), refused);
  await t.rejects(device.call(Rounds.method.submitMasked, { population: "strangers" }), refused);
  await t.rejects(device.call(Rounds.method.leave, { population: "strangers" }), refused);
  await t.rejects(callOpen(federation.transport, Consent.method.getNotice, { population: "strangers" }), refused);
  const strange = enrolment(generateNodeSigner(), { population: "x".repeat(1_000_000) });
  await t.rejects(callOpen(federation.transport, Enrollment.method.enroll, strange), refused);
});

t.test("a message over the limit, or none at all, is refused and the process stays alive", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const oversized = new Uint8Array(MAX_MESSAGE_BYTES + 1);
  const large = grpcTransport({
    address: federation.address,
  });
  t.teardown(() => large.close());
  const method = Rounds.method.leave;
  const request = create(method.input, {});
  for (const body of [oversized, Uint8Array.of(0xff, 0xff, 0xff)]) {
    await t.rejects(large.unary(method, request, { metadata: device.metadata(method, body), body }), {
      name: "ClientError",
    });
    await t.resolves(device.checkIn());
  }
  t.same(federation.faults, []);
});

t.test(
  "a device that asks too often is refused for a while; others are not, nor by whoever claims to be them",
  async (t) => {
    const clock = movedClock();
    const rates = { perIdentity: { perSecond: 1, burst: 6 }, perAddress: { perSecond: 1, burst: 1 } };
    const federation = await Federation.open(t, { clock, rates });
    const eager = await RawDevice.enter(federation.transport);
    const calm = await RawDevice.enter(federation.transport);
    const request = { population: POPULATION };
    // One call of the burst went into the consent.
    for (let i = 0; i < 5; i++) await eager.call(Rounds.method.checkIn, request);
    await t.rejects(eager.call(Rounds.method.checkIn, request), { ...refusal("BUSY"), retryAfterMs: Number });
    const claimed = { deviceId: calm.deviceId, session: calm.session };
    for (let i = 0; i < 10; i++) {
      await t.rejects(eager.call(Rounds.method.checkIn, request, claimed), refusal("BAD_SIGNATURE"));
    }
    await t.resolves(calm.call(Rounds.method.checkIn, request));
    clock.offsetMs += 2_000;
    await t.resolves(eager.call(Rounds.method.checkIn, request, { timeMs: clock.now() }));
  },
);
