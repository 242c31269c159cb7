import { createHash } from "node:crypto";
import { generateNodeSigner, type NodeSigner } from "@fedloop/consent/node";
import { Enrollment } from "@fedloop/proto";
import t from "tap";
import { Federation } from "../server/federation.js";
import { callOpen, enrolment, RawDevice, refusal } from "./raw-device.js";

function rotation(device: RawDevice, signer: NodeSigner): { newPublicKey: Uint8Array; newKeySignature: Uint8Array } {
  const key = Buffer.from(signer.publicKey).toString("base64url");
  const text = `fedloop-rotate/v1\n${device.deviceId}\n${key}\n`;
  return { newPublicKey: signer.publicKey, newKeySignature: signer.sign(Buffer.from(text)) };
}

t.test("invitations are asked for where the operator says so", async (t) => {
  const token = { sha256: createHash("sha256").update("spring").digest(), expiresMs: Date.now() + 60_000 };
  const expired = { sha256: createHash("sha256").update("winter").digest(), expiresMs: Date.now() - 1 };
  const federation = await Federation.open(t, { enrolment: { type: "token", tokens: [token, expired] } });
  const enroll = (token: string) => {
    const request = enrolment(generateNodeSigner(), { token });
    return callOpen(federation.transport, Enrollment.method.enroll, request);
  };
  await t.rejects(enroll(""), refusal("TOKEN_REQUIRED"));
  await t.rejects(enroll("summer"), refusal("TOKEN_INVALID"));
  await t.rejects(enroll("winter"), refusal("TOKEN_EXPIRED"));
  await t.resolves(enroll("spring"));
  await t.resolves(federation.join({ token: "spring" }), "the runtime hands its app's invitation in");
  t.same(federation.faults, []);
});

t.test("an enrolment tells the log to pin, the server's time and when the session ends", async (t) => {
  const federation = await Federation.open(t);
  const before = Date.now();
  const answer = await new RawDevice(federation.transport).enroll();
  t.match(answer.log, { origin: "example.org/coordinator-test", verifierKey: federation.coordinator.verifierKey });
  t.ok(Number(answer.serverTimeMs) >= before && answer.sessionExpiresMs > answer.serverTimeMs);
});

t.test("an enrolment that its key did not sign, or signed too long ago, opens no session", async (t) => {
  const federation = await Federation.open(t);
  const signer = generateNodeSigner();
  const forged = { ...enrolment(signer), publicKey: generateNodeSigner().publicKey };
  await t.rejects(callOpen(federation.transport, Enrollment.method.enroll, forged), refusal("BAD_SIGNATURE"));
  const late = enrolment(signer, { timeMs: Date.now() - 10 * 60_000 });
  await t.rejects(callOpen(federation.transport, Enrollment.method.enroll, late), refusal("CLOCK_SKEW"));
  await t.resolves(callOpen(federation.transport, Enrollment.method.enroll, enrolment(signer)));
});

t.test("a key can be replaced as long as the log does not know its participant", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const next = generateNodeSigner();
  await t.rejects(
    device.call(Enrollment.method.rotateKey, { ...rotation(device, next), newPublicKey: device.signer.publicKey }),
    refusal("BAD_SIGNATURE"),
  );
  await device.call(Enrollment.method.rotateKey, rotation(device, next));
  await t.rejects(device.checkIn(), refusal("BAD_SIGNATURE"), "the old key has had its day");
  const bound = await RawDevice.enter(federation.transport);
  const refused = bound.call(Enrollment.method.rotateKey, rotation(bound, generateNodeSigner()));
  await t.rejects(refused, refusal("WRONG_STATE"));
  await t.resolves(bound.record(await bound.consent("withdrawn")), "it can still withdraw");
});
