import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { encodeBase64Url, sha256 } from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { Enrollment, EnrollResponseSchema, METADATA, methodPath, Rounds, requestSigningInput } from "@fedloop/proto";
import t from "tap";
import { type CallOptions, ClientError, type Transport } from "../../src/index.js";
import { nodeSha256 } from "../../src/index.node.js";
import { CoordinatorClient } from "../../src/transport/coordinator-client.js";
import { pauseMs } from "../../src/transport/retry.js";
import { EagerClock } from "../coordinator/clock.js";

const signer = generateNodeSigner();
const verifier = nodeVerifier();

function remote(remoteCode: string, options: { retryAfterMs?: number; serverTimeMs?: number } = {}): ClientError {
  return new ClientError("REMOTE", remoteCode, { remoteCode, ...options });
}

interface Script {
  readonly attempts: CallOptions[];
  enrolments: number;
  readonly transport: Transport;
}

/** A transport that answers with what it is given, in order; then with success. */
function scripted(...failures: ClientError[]): Script {
  const script: Script = {
    attempts: [],
    enrolments: 0,
    transport: {
      async unary(method, _request, options) {
        if (methodPath(method) === methodPath(Enrollment.method.enroll)) {
          script.enrolments += 1;
          const id = new Uint8Array(16).fill(script.enrolments);
          const bytes = toBinary(EnrollResponseSchema, create(EnrollResponseSchema, { deviceId: id, session: id }));
          return fromBinary(method.output, bytes);
        }
        script.attempts.push(options);
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        return fromBinary(method.output, new Uint8Array(0));
      },
      async *serverStream() {},
      async close() {},
    },
  };
  return script;
}

function clientOver(transport: Transport, clock: EagerClock): CoordinatorClient {
  return new CoordinatorClient({
    transport,
    population: "p",
    signer,
    token: "",
    sha256: nodeSha256,
    clock,
    random: systemRandom(),
    retry: { attempts: 3, firstMs: 100, longestMs: 1_000 },
    timeoutMs: 1_000,
    session: undefined,
    onEnrolled: async () => {},
  });
}

const request = { population: "p", round: 3n, reason: "" };
const call = (client: CoordinatorClient): Promise<unknown> => client.call(Rounds.method.leave, request);

t.test("a request is signed over its path, session, nonce, time and the very bytes that are sent", async (t) => {
  const script = scripted();
  await call(clientOver(script.transport, new EagerClock(1_000_000)));
  const [{ metadata, body } = { metadata: {}, body: new Uint8Array(0) }] = script.attempts;
  const { [METADATA.session]: session = "", [METADATA.nonce]: nonce = "", [METADATA.time]: time = "" } = metadata;
  const digest = Buffer.from(sha256(body)).toString("hex");
  const signed = requestSigningInput("/fedloop.v1.Rounds/Leave", session, nonce, time, digest);
  const signature = Buffer.from(metadata[METADATA.signature] ?? "", "base64url");
  t.ok(verifier.verify(signer.publicKey, signed, signature));
  t.equal(metadata[METADATA.device], encodeBase64Url(new Uint8Array(16).fill(1)));
  t.equal(time, "1000000");
});

t.test("a retry has a fresh nonce and signature", async (t) => {
  const script = scripted(new ClientError("UNAVAILABLE", "down"), new ClientError("DEADLINE", "slow"));
  const clock = new EagerClock();
  await call(clientOver(script.transport, clock));
  const nonces = script.attempts.map(({ metadata }) => metadata[METADATA.nonce]);
  t.equal(new Set(nonces).size, 3);
  t.equal(new Set(script.attempts.map(({ metadata }) => metadata[METADATA.signature])).size, 3);
  t.equal(clock.waits.length, 2);
});

t.test("what will not pass is not tried again", async (t) => {
  const script = scripted(remote("BAD_ENTRY"));
  await t.rejects(call(clientOver(script.transport, new EagerClock())), { code: "REMOTE", remoteCode: "BAD_ENTRY" });
  t.equal(script.attempts.length, 1);
});

t.test("after as many failures as the policy allows the last one is told", async (t) => {
  const script = scripted(...Array.from({ length: 9 }, () => new ClientError("UNAVAILABLE", "down")));
  await t.rejects(call(clientOver(script.transport, new EagerClock())), { code: "UNAVAILABLE" });
  t.equal(script.attempts.length, 3);
});

t.test("an expired session is opened again once; when that does not help the error is told", async (t) => {
  const script = scripted(remote("SESSION_EXPIRED"));
  await call(clientOver(script.transport, new EagerClock()));
  t.equal(script.enrolments, 2);
  const hopeless = scripted(remote("SESSION_EXPIRED"), remote("SESSION_EXPIRED"));
  await t.rejects(call(clientOver(hopeless.transport, new EagerClock())), {
    code: "REMOTE",
    remoteCode: "SESSION_EXPIRED",
  });
});

t.test("a clock that is wrong is corrected once; when that does not help the error is told", async (t) => {
  const skew = remote("CLOCK_SKEW", { serverTimeMs: 5_000_000 });
  const script = scripted(skew);
  const client = clientOver(script.transport, new EagerClock(1_000_000));
  await call(client);
  t.equal(script.attempts[1]?.metadata[METADATA.time], "5000000");
  t.equal(client.nowMs(), 5_000_000);
  const hopeless = scripted(skew, skew);
  await t.rejects(call(clientOver(hopeless.transport, new EagerClock())), { code: "REMOTE", remoteCode: "CLOCK_SKEW" });
});

t.test("calls at the same time share one enrolment", async (t) => {
  const script = scripted();
  const client = clientOver(script.transport, new EagerClock());
  await Promise.all([call(client), call(client), call(client)]);
  t.equal(script.enrolments, 1);
});

t.test("an abort ends the retries", async (t) => {
  const controller = new AbortController();
  const script = scripted(remote("BUSY", { retryAfterMs: 10 }));
  const clock = new EagerClock();
  const client = clientOver(script.transport, clock);
  const pending = client.call(Rounds.method.leave, request, controller.signal);
  controller.abort();
  await t.rejects(pending, { code: "ABORTED" });
});

t.test("pauses double, are spread over their upper half, and never fall short of what was asked", async (t) => {
  const policy = { attempts: 9, firstMs: 100, longestMs: 1_000 };
  const random = systemRandom();
  for (const [attempt, least, most] of [
    [1, 50, 100],
    [2, 100, 200],
    [3, 200, 400],
    [9, 500, 1_000],
  ] as const) {
    for (let i = 0; i < 50; i++) {
      const pause = pauseMs(policy, attempt, 0, random);
      t.ok(pause >= least && pause <= most);
    }
  }
  t.ok(pauseMs(policy, 1, 3_000, random) >= 3_000);
});
