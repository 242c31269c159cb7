import { create } from "@bufbuild/protobuf";
import { grpcTransport, type TlsOptions } from "@fedloop/client-runtime/grpc";
import { GetCheckpointRequestSchema, Transparency } from "@fedloop/proto";
import { ServerCredentials } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { GrpcServer } from "../../src/rpc/grpc-server.js";
import { developmentCertificates } from "../../src/tls/development-certificates.js";

type Certificates = Awaited<ReturnType<typeof developmentCertificates>>;

async function serve(t: Test, { ca, server }: Certificates, isMutual: boolean): Promise<number> {
  const unused = () => {
    throw new Error("not signed");
  };
  const host = new GrpcServer({ authenticator: { authenticate: unused } as never, clock: Date, onFault: unused });
  host.add(Transparency, ["getCheckpoint", "getInclusionProof", "getConsistencyProof"], {
    getCheckpoint: () => ({ checkpoint: "there" }),
    getInclusionProof: () => ({}),
    getConsistencyProof: () => ({}),
  });
  const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
  const port = await host.listen("127.0.0.1:0", ServerCredentials.createSsl(Buffer.from(ca), [pair], isMutual));
  t.teardown(() => host.close(0));
  return port;
}

async function ask(t: Test, port: number, tls: TlsOptions): Promise<string> {
  const transport = grpcTransport({ address: `localhost:${port}`, tls });
  t.teardown(() => transport.close());
  const options = { metadata: {}, body: new Uint8Array(), timeoutMs: 20_000 };
  const { getCheckpoint } = Transparency.method;
  return (await transport.unary(getCheckpoint, create(GetCheckpointRequestSchema), options)).checkpoint;
}

t.test("a device reaches a server whose authority it trusts, and no other", async (t) => {
  const certificates = await developmentCertificates([], Date.now());
  const others = await developmentCertificates([], Date.now());
  const port = await serve(t, certificates, false);
  t.equal(await ask(t, port, { rootCertificates: Buffer.from(certificates.ca) }), "there");
  await t.rejects(ask(t, port, { rootCertificates: Buffer.from(others.ca) }), { code: "UNAVAILABLE" });
  await t.rejects(ask(t, port, {}), { code: "UNAVAILABLE" }, "the system's authorities do not know it");
});

t.test("where the server wants a client's certificate, a device shows its own", async (t) => {
  const certificates = await developmentCertificates([], Date.now());
  const { ca, client } = certificates;
  const port = await serve(t, certificates, true);
  const rootCertificates = Buffer.from(ca);
  const clientCertificate = { key: Buffer.from(client.key), certificates: Buffer.from(client.cert) };
  t.equal(await ask(t, port, { rootCertificates, clientCertificate }), "there");
  await t.rejects(ask(t, port, { rootCertificates }), { code: "UNAVAILABLE" });
});
