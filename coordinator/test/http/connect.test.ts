// What only the Connect face has: web origins, and bodies that Fastify reads.
import { create, toBinary } from "@bufbuild/protobuf";
import { nodeVerifier } from "@fedloop/consent/node";
import { Artifacts, MAX_MESSAGE_BYTES, UploadChunkRequestSchema } from "@fedloop/proto";
import t, { type Test } from "tap";
import { ConnectHost } from "../../src/http/connect.js";
import { HttpServer } from "../../src/http/http-server.js";
import { Authenticator } from "../../src/registry/authentication.js";
import { start as startRegistry } from "../registry/fixture.js";

const APP = "https://app.example.org";
const PATH = "/fedloop.v1.Artifacts/UploadChunk";

async function start(t: Test): Promise<string> {
  const { registry, clock } = await startRegistry(t);
  const authenticator = new Authenticator({ registry, verifier: nodeVerifier(), clock });
  const onFault = (): void => undefined;
  const host = new ConnectHost({ authenticator, clock, onFault, corsOrigins: [APP] });
  host.add(Artifacts, ["getArtifact", "uploadChunk", "getModel"], {
    async *getArtifact() {},
    uploadChunk: ({ data }) => ({ nextOffset: BigInt(data.length) }),
    getModel: () => ({}),
  });
  const server = await HttpServer.open({ host: "127.0.0.1", port: 0, tls: null, routes: [host.routes], onFault });
  t.teardown(() => server.close(0));
  return `http://127.0.0.1:${server.port}`;
}

function preflight(base: string, origin: string): Promise<Response> {
  return fetch(base + PATH, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "connect-protocol-version,content-type,fedloop-signature",
    },
  });
}

t.test("a page of a listed origin may call, with the headers that calls have", async (t) => {
  const base = await start(t);
  const { status, headers } = await preflight(base, APP);
  t.equal(status, 204);
  t.equal(headers.get("access-control-allow-origin"), APP);
  t.equal(headers.get("access-control-allow-methods"), "POST");
  const allowed = (headers.get("access-control-allow-headers") ?? "").toLowerCase();
  for (const name of ["content-type", "connect-protocol-version", "fedloop-device", "fedloop-signature"]) {
    t.ok(allowed.includes(name), name);
  }
  t.equal(headers.get("access-control-allow-credentials"), null);
  const body = toBinary(UploadChunkRequestSchema, create(UploadChunkRequestSchema, { data: new Uint8Array(5) }));
  const call = { method: "POST", headers: { origin: APP, "content-type": "application/proto" }, body } as const;
  const answer = await fetch(base + PATH, call);
  t.equal(answer.status, 200);
  t.equal(answer.headers.get("access-control-allow-origin"), APP);
});

t.test("a page of any other origin may not", async (t) => {
  const base = await start(t);
  for (const origin of ["https://evil.example.org", "https://app.example.org.evil.example", "http://app.example.org"]) {
    t.equal((await preflight(base, origin)).headers.get("access-control-allow-origin"), null, origin);
  }
});

t.test("a body is as large as a message may be, and no larger; and of a type that is spoken here", async (t) => {
  const base = await start(t);
  const post = (body: Uint8Array<ArrayBuffer>, type: string): Promise<Response> =>
    fetch(base + PATH, { method: "POST", headers: { "content-type": type }, body });
  const most = create(UploadChunkRequestSchema, { data: new Uint8Array(1 << 20) });
  t.equal((await post(new Uint8Array(toBinary(UploadChunkRequestSchema, most)), "application/proto")).status, 200);
  t.equal((await post(new Uint8Array(MAX_MESSAGE_BYTES + 6), "application/proto")).status, 413);
  t.equal((await post(new Uint8Array(1), "application/json")).status, 415);
  t.equal((await fetch(base + PATH)).status, 404, "and only by POST");
});

t.test(
  "an envelope that promises more than a message may have is refused, and nothing is set aside for it",
  async (t) => {
    const base = await start(t);
    const body = Buffer.alloc(9);
    body.writeUInt32BE(2 ** 32 - 1, 1);
    const before = process.memoryUsage().arrayBuffers;
    const answer = await fetch(`${base}/fedloop.v1.Artifacts/GetArtifact`, {
      method: "POST",
      headers: { "content-type": "application/connect+proto" },
      body,
    });
    t.match(await answer.text(), /resource_exhausted/);
    const grown = process.memoryUsage().arrayBuffers - before;
    t.ok(grown < 64 << 20, `${grown} bytes are held`);
  },
);
