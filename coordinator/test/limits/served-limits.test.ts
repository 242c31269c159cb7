// Where calls come in: each face counts the address before it does anything for a caller, and a token once it is proven.
import { create, toBinary } from "@bufbuild/protobuf";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeVerifier } from "@fedloop/consent/node";
import { Artifacts, GetCheckpointRequestSchema, Transparency, UploadChunkRequestSchema } from "@fedloop/proto";
import { ServerCredentials } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { ConnectHost } from "../../src/http/connect.js";
import { HttpServer } from "../../src/http/http-server.js";
import { type CallLimiter, CallLimits } from "../../src/limits/call-limits.js";
import { Authenticator } from "../../src/registry/authentication.js";
import { GrpcServer } from "../../src/rpc/grpc-server.js";
import { callsAs, openWithApi } from "../admin/api.js";
import { manualClock } from "../ledger/fixture.js";
import { start as startRegistry } from "../registry/fixture.js";
import { refusal } from "../rpc/raw-device.js";

const BURST = 5;

/** Limits to which this machine, whose calls are never counted, is one elsewhere. */
function elsewhere(t: Test): CallLimiter {
  const rates = { perIdentity: { perSecond: 1, burst: BURST }, perAddress: { perSecond: 1, burst: BURST } };
  const limits = new CallLimits(rates, manualClock());
  const moved = (address: string): string => {
    t.match(address, /^(::ffff:)?127\.0\.0\.1(:\d+)?$/, "the caller's own address");
    return "192.0.2.7";
  };
  return {
    admitAddress: (address) => limits.admitAddress(moved(address)),
    admitIdentity: (identity) => limits.admitIdentity(identity),
    chargeForLie: (address) => limits.chargeForLie(moved(address)),
  };
}

t.test("HTTP: an address that asks too often is told when to come back, and nothing is done for it", async (t) => {
  let served = 0;
  const server = await HttpServer.open({
    host: "127.0.0.1",
    port: 0,
    tls: null,
    limits: elsewhere(t),
    onFault: (_where, cause) => t.fail(String(cause)),
    routes: [
      async (app) => {
        app.post("/echo", () => {
          served += 1;
          return {};
        });
      },
    ],
  });
  t.teardown(() => server.close(0));
  const post = () =>
    fetch(`http://127.0.0.1:${server.port}/echo`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
  for (let i = 0; i < BURST; i++) t.equal((await post()).status, 200);
  const refused = await post();
  t.equal(refused.status, 429);
  t.equal(refused.headers.get("retry-after"), "1");
  t.match(await refused.json(), { error: { code: "BUSY" } });
  t.equal((await fetch(`http://127.0.0.1:${server.port}/nothing`)).status, 429, "wherever it asks");
  t.equal(served, BURST);
});

t.test("Connect: the same", async (t) => {
  const { registry, clock } = await startRegistry(t);
  const authenticator = new Authenticator({ registry, verifier: nodeVerifier(), clock });
  const onFault = (_where: string, cause: unknown): void => void t.fail(String(cause));
  const limits = elsewhere(t);
  const host = new ConnectHost({ authenticator, clock, limits, onFault, corsOrigins: [] });
  let served = 0;
  host.add(Artifacts, ["getArtifact", "uploadChunk", "getModel"], {
    async *getArtifact() {},
    uploadChunk: () => {
      served += 1;
      return {};
    },
    getModel: () => ({}),
  });
  const server = await HttpServer.open({
    host: "127.0.0.1",
    port: 0,
    tls: null,
    limits,
    routes: [host.routes],
    onFault,
  });
  t.teardown(() => server.close(0));
  const body = toBinary(UploadChunkRequestSchema, create(UploadChunkRequestSchema, {}));
  const call = () =>
    fetch(`http://127.0.0.1:${server.port}/fedloop.v1.Artifacts/UploadChunk`, {
      method: "POST",
      headers: { "content-type": "application/proto" },
      body,
    });
  for (let i = 0; i < BURST; i++) t.equal((await call()).status, 200);
  t.match(await (await call()).text(), /resource_exhausted/);
  t.equal(served, BURST, "each call is counted once");
});

t.test("gRPC: the same", async (t) => {
  let served = 0;
  const unused = () => {
    throw new Error("not signed");
  };
  const server = new GrpcServer({
    authenticator: { authenticate: unused },
    clock: Date,
    limits: elsewhere(t),
    onFault: (_where, cause) => t.fail(String(cause)),
  });
  server.add(Transparency, ["getCheckpoint", "getInclusionProof", "getConsistencyProof"], {
    getCheckpoint: () => {
      served += 1;
      return {};
    },
    getInclusionProof: () => ({}),
    getConsistencyProof: () => ({}),
  });
  const port = await server.listen("127.0.0.1:0", ServerCredentials.createInsecure());
  t.teardown(() => server.close(0));
  const transport = grpcTransport({ address: `127.0.0.1:${port}` });
  t.teardown(() => transport.close());
  const { getCheckpoint } = Transparency.method;
  const call = () =>
    transport.unary(getCheckpoint, create(GetCheckpointRequestSchema), { metadata: {}, body: new Uint8Array() });
  for (let i = 0; i < BURST; i++) await call();
  await t.rejects(call(), { ...refusal("BUSY"), retryAfterMs: 1_000 });
  t.equal(served, BURST);
});

t.test("the API: a token that asks too often is refused for a while, and no other one is", async (t) => {
  const rates = { perIdentity: { perSecond: 1, burst: BURST }, perAddress: { perSecond: 1, burst: BURST } };
  const { federation, get } = await openWithApi(t, { rates });
  const other = await callsAs(federation.coordinator, "viewer");
  for (let i = 0; i < BURST; i++) t.equal((await get("/ledger")).status, 200);
  const refused = await get("/ledger");
  t.match(refused, { status: 429, body: { code: "BUSY" } });
  t.ok(Number(refused.headers.get("retry-after")) >= 1);
  t.equal((await other.get("/ledger")).status, 200);
});
