import { createHash, randomBytes } from "node:crypto";
import { generateNodeSigner, type NodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { requestSigningInput } from "@fedloop/proto";
import fc from "fast-check";
import t, { type Test } from "tap";
import { Authenticator, type RequestCredentials } from "../../src/registry/authentication.js";
import type { Device } from "../../src/registry/device.js";
import { CLOCK_SKEW_MS, SESSION_MS } from "../../src/registry/registry.js";
import type { ManualClock } from "../ledger/fixture.js";
import { enrolment, start as startRegistry } from "./fixture.js";

const PATH = "/fedloop.v1.Rounds/CheckIn";
const BODY = Buffer.from("the message as it was sent");

interface Started {
  readonly clock: ManualClock;
  readonly device: Device;
  readonly authenticator: Authenticator;
  /** An authenticator of a process that starts now. */
  readonly restarted: () => Authenticator;
  readonly sign: (changes?: Partial<RequestCredentials>) => RequestCredentials;
}

async function start(t: Test): Promise<Started> {
  const { registry, clock } = await startRegistry(t);
  const signer: NodeSigner = generateNodeSigner();
  const device = await registry.enroll(enrolment(clock, signer));
  const restarted = (): Authenticator => new Authenticator({ registry, verifier: nodeVerifier(), clock });
  const sign = (changes: Partial<RequestCredentials> = {}): RequestCredentials => {
    const { session = device.session ?? "", time = String(clock.now()) } = changes;
    const { nonce = randomBytes(16).toString("base64url") } = changes;
    const digest = createHash("sha256").update(BODY).digest("hex");
    const signature = signer.sign(requestSigningInput(PATH, session, nonce, time, digest));
    return {
      device: device.id,
      session,
      nonce,
      time,
      signature: Buffer.from(signature).toString("base64url"),
      ...changes,
    };
  };
  return { clock, device, authenticator: restarted(), restarted, sign };
}

t.test("what the device's key signed is the device's", async (t) => {
  const { authenticator, sign, device } = await start(t);
  t.match(await authenticator.authenticate(PATH, sign(), [BODY]), { id: device.id, subject: device.subject });
});

t.test("another path or another body than the signed one is refused", async (t) => {
  const { authenticator, sign } = await start(t);
  await t.rejects(authenticator.authenticate("/fedloop.v1.Rounds/Leave", sign(), [BODY]), { code: "BAD_SIGNATURE" });
  await t.rejects(authenticator.authenticate(PATH, sign(), [Buffer.from("another")]), { code: "BAD_SIGNATURE" });
});

t.test("metadata in any other form than the specified one is refused before anything is looked up", async (t) => {
  const { authenticator, sign } = await start(t);
  const names = ["device", "session", "nonce", "time", "signature"] as const;
  for (const name of names) {
    await t.rejects(authenticator.authenticate(PATH, { ...sign(), [name]: undefined }, [BODY]), {
      code: "BAD_REQUEST",
    });
  }
  const junk = fc.oneof(
    fc.string(),
    fc.string({ minLength: 22, maxLength: 22 }),
    fc.constantFrom("", "0", "-1", "1e3", "0x10", " 1", "١", "9".repeat(17), "=".repeat(22), "A".repeat(23)),
  );
  const isWellFormed = (name: string, value: string): boolean => {
    if (name === "time") return /^[1-9][0-9]{0,15}$/.test(value);
    return new RegExp(`^[A-Za-z0-9_-]{${name === "signature" ? 86 : 22}}$`).test(value);
  };
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), junk, async (name, value) => {
      fc.pre(!isWellFormed(name, value));
      const outcome = authenticator.authenticate(PATH, { ...sign(), [name]: value }, [BODY]).then(
        () => "accepted",
        (cause: { code: string }) => cause.code,
      );
      return (await outcome) === "BAD_REQUEST";
    }),
    { seed: 4, numRuns: 300 },
  );
});

t.test("a nonce is good once, for as long as its signed time is accepted", async (t) => {
  const { authenticator, sign, clock } = await start(t);
  // The latest time that is accepted now stays acceptable longest.
  const credentials = sign({ time: String(clock.now() + CLOCK_SKEW_MS) });
  await authenticator.authenticate(PATH, credentials, [BODY]);
  for (let step = 0; step <= 20; step++) {
    // Other requests in between must not make the authenticator forget.
    await authenticator.authenticate(PATH, sign(), [BODY]);
    await t.rejects(authenticator.authenticate(PATH, credentials, [BODY]), { code: "REPLAYED" });
    if (step < 20) clock.ms += CLOCK_SKEW_MS / 10;
  }
  clock.ms += 1;
  await t.rejects(authenticator.authenticate(PATH, credentials, [BODY]), { code: "CLOCK_SKEW" });
});

t.test("a forged request does not use a device's nonce up", async (t) => {
  const { authenticator, sign } = await start(t);
  const honest = sign();
  const forged = { ...honest, signature: "A".repeat(86) };
  await t.rejects(authenticator.authenticate(PATH, forged, [BODY]), { code: "BAD_SIGNATURE" });
  await t.resolves(authenticator.authenticate(PATH, honest, [BODY]));
});

t.test("a time is accepted up to five minutes from the server's, both ways, and no further", async (t) => {
  const { authenticator, sign, clock } = await start(t);
  clock.ms += 2 * CLOCK_SKEW_MS;
  for (const offset of [-CLOCK_SKEW_MS, CLOCK_SKEW_MS]) {
    await t.resolves(authenticator.authenticate(PATH, sign({ time: String(clock.now() + offset) }), [BODY]));
    const beyond = sign({ time: String(clock.now() + offset + Math.sign(offset)) });
    await t.rejects(authenticator.authenticate(PATH, beyond, [BODY]), { code: "CLOCK_SKEW" });
  }
});

t.test("what was signed before the process started is refused, since its nonces are forgotten", async (t) => {
  const { authenticator, restarted, sign, clock } = await start(t);
  const credentials = sign();
  await authenticator.authenticate(PATH, credentials, [BODY]);
  clock.ms += 1;
  const second = restarted();
  await t.rejects(second.authenticate(PATH, credentials, [BODY]), { code: "CLOCK_SKEW" });
  await t.resolves(second.authenticate(PATH, sign(), [BODY]));
});

t.test("a session that has expired, or another one, is refused", async (t) => {
  const { authenticator, sign, clock } = await start(t);
  const other = randomBytes(16).toString("base64url");
  await t.rejects(authenticator.authenticate(PATH, sign({ session: other }), [BODY]), { code: "SESSION_EXPIRED" });
  await t.rejects(authenticator.authenticate(PATH, sign({ device: other }), [BODY]), { code: "SESSION_EXPIRED" });
  clock.ms += SESSION_MS - 1;
  await t.resolves(authenticator.authenticate(PATH, sign(), [BODY]));
  clock.ms += 1;
  await t.rejects(authenticator.authenticate(PATH, sign(), [BODY]), { code: "SESSION_EXPIRED" });
});
