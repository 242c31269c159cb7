import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { Transparency } from "@fedloop/proto";
import { Client, credentials } from "@grpc/grpc-js";
import t, { type Test } from "tap";
import { HttpServer } from "../../src/http/http-server.js";
import { GrpcServer } from "../../src/rpc/grpc-server.js";
import { developmentCertificates } from "../../src/tls/development-certificates.js";
import { environmentCertificates, fileCertificates, ServerCertificates } from "../../src/tls/server-certificates.js";
import { temporaryFolder } from "../temporary-folder.js";

type Made = Awaited<ReturnType<typeof developmentCertificates>>;

interface Started {
  readonly first: Made;
  readonly certificates: ServerCertificates;
  readonly faults: string[];
  readonly write: (cert: string, key: string, clientCa?: string) => void;
  readonly folder: string;
}

async function start(t: Test, isMutual = false): Promise<Started> {
  const folder = temporaryFolder(t);
  const write = (cert: string, key: string, clientCa?: string): void => {
    writeFileSync(join(folder, "cert.pem"), cert);
    writeFileSync(join(folder, "key.pem"), key);
    if (clientCa !== undefined) writeFileSync(join(folder, "ca.pem"), clientCa);
  };
  const first = await developmentCertificates([], Date.now());
  write(first.server.cert, first.server.key, first.ca);
  const faults: string[] = [];
  const certificates = await ServerCertificates.open({
    source: fileCertificates({
      cert: join(folder, "cert.pem"),
      key: join(folder, "key.pem"),
      clientCa: isMutual ? join(folder, "ca.pem") : null,
    }),
    clock: Date,
    onFault: (_where, cause) => faults.push(String(cause)),
  });
  return { first, certificates, faults, write, folder };
}

async function serveGrpc(t: Test, certificates: ServerCertificates): Promise<number> {
  const unused = () => {
    throw new Error("not signed");
  };
  const server = new GrpcServer({ authenticator: { authenticate: unused } as never, clock: Date, onFault: unused });
  server.add(Transparency, ["getCheckpoint", "getInclusionProof", "getConsistencyProof"], {
    getCheckpoint: () => ({ checkpoint: "there" }),
    getInclusionProof: () => ({}),
    getConsistencyProof: () => ({}),
  });
  const port = await server.listen("127.0.0.1:0", certificates.grpcCredentials());
  t.teardown(() => server.close(0));
  return port;
}

function grpcClient(t: Test, port: number, made: Made, isMutual = false): () => Promise<string> {
  const pair = isMutual ? [Buffer.from(made.client.key), Buffer.from(made.client.cert)] : [];
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(made.ca), ...pair), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 60_000,
  });
  t.teardown(() => client.close());
  const same = (bytes: Buffer): Buffer => bytes;
  return () =>
    new Promise((resolve, reject) => {
      const path = "/fedloop.v1.Transparency/GetCheckpoint";
      client.makeUnaryRequest(path, same, same, Buffer.alloc(0), (cause, answer) =>
        cause === null ? resolve(String(answer)) : reject(cause),
      );
    });
}

/** The serial number of the certificate that a new connection is shown. */
async function presented(port: number): Promise<string> {
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

t.test("gRPC: after a renewal old connections go on and new ones see the new certificate", async (t) => {
  const { certificates, first, write, faults } = await start(t);
  const port = await serveGrpc(t, certificates);
  const old = grpcClient(t, port, first);
  t.match(await old(), "there");
  const before = await presented(port);
  const second = await developmentCertificates([], Date.now());
  write(second.server.cert, second.server.key);
  t.equal(await certificates.reload(), true);
  t.match(await old(), "there", "over the connection made under the first, whose authority alone it trusts");
  t.not(await presented(port), before);
  t.match(await grpcClient(t, port, second)(), "there");
  await t.rejects(grpcClient(t, port, first)(), "a new connection is made under the second alone");
  t.equal(await certificates.reload(), false, "nothing new");
  t.strictSame(faults, []);
});

t.test("HTTP: the same", async (t) => {
  const { certificates, first, write } = await start(t);
  const options = { host: "127.0.0.1", port: 0, tls: certificates.current, routes: [], onFault: () => undefined };
  const server = await HttpServer.open(options);
  t.teardown(() => server.close(0));
  certificates.onRenewal((tls) => server.renew(tls));
  const agentOf = ({ ca }: Made): Agent => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
    t.teardown(() => agent.destroy());
    return agent;
  };
  const ask = async (agent: Agent): Promise<unknown> => {
    const sent = request({ host: "127.0.0.1", port: server.port, path: "/nothing", agent }).end();
    const [response] = await once(sent, "response");
    response.resume();
    await once(response, "end");
    return { status: response.statusCode, reused: sent.reusedSocket };
  };
  const old = agentOf(first);
  t.strictSame(await ask(old), { status: 404, reused: false });
  const second = await developmentCertificates([], Date.now());
  write(second.server.cert, second.server.key);
  await certificates.reload();
  t.strictSame(await ask(old), { status: 404, reused: true });
  t.strictSame(await ask(agentOf(second)), { status: 404, reused: false });
  await t.rejects(ask(agentOf(first)));
});

t.test(
  "a renewal that cannot be used is told once, in a sentence without the key, and the old one stays",
  async (t) => {
    const { certificates, first, write, faults, folder } = await start(t);
    const port = await serveGrpc(t, certificates);
    const before = await presented(port);
    const second = await developmentCertificates([], Date.now());
    const ended = await developmentCertificates([], Date.now() - 400 * 86_400_000);
    const broken: [string, string, RegExp][] = [
      [second.server.cert, first.server.key, /of one pair, came a key of another certificate/],
      ["no certificate", second.server.key, /expected a certificate in PEM as tls\.cert/],
      [second.server.cert, second.server.key.replace("PRIVATE KEY", "PRIVATE KEYS"), /a private key in PEM/],
      [ended.server.cert, ended.server.key, /expected a certificate in force/],
    ];
    for (const [cert, key, said] of broken) {
      faults.length = 0;
      write(cert, key);
      t.equal(await certificates.reload(), false);
      t.equal(await certificates.reload(), false);
      t.equal(faults.length, 1, String(said));
      t.match(faults[0], said);
      t.match(faults[0], /the certificates before stay in use, they end on/);
      for (const line of key.split("\n").filter((line) => line.length > 30)) t.notMatch(faults[0], line);
      t.equal(await presented(port), before);
    }
    faults.length = 0;
    rmSync(join(folder, "key.pem"));
    await certificates.reload();
    await certificates.reload();
    t.equal(faults.length, 1);
    t.match(faults[0], join(folder, "key.pem"));
    write(second.server.cert, second.server.key);
    t.equal(await certificates.reload(), true, "a renewal put right is used");
    t.not(await presented(port), before);
  },
);

t.test(
  "mutual TLS: who shows no certificate, or another authority's, is kept out; a renewed authority counts",
  async (t) => {
    const { certificates, first, write } = await start(t, true);
    const port = await serveGrpc(t, certificates);
    const other = await developmentCertificates([], Date.now());
    t.match(await grpcClient(t, port, first, true)(), "there");
    await t.rejects(grpcClient(t, port, first)());
    await t.rejects(grpcClient(t, port, { ...first, client: other.client }, true)());
    write(first.server.cert, first.server.key, other.ca);
    await certificates.reload();
    t.match(await grpcClient(t, port, { ...first, client: other.client }, true)(), "there");
    await t.rejects(grpcClient(t, port, first, true)());
  },
);

t.test(
  "at the start unusable certificates are refused; in the environment they come as PEM, both of them",
  async (t) => {
    const { first, write, folder } = await start(t);
    const missing = { cert: join(folder, "none.pem"), key: join(folder, "key.pem"), clientCa: null };
    const open = (source: () => Promise<never> | ReturnType<ReturnType<typeof fileCertificates>>) =>
      ServerCertificates.open({ source, clock: Date, onFault: () => undefined });
    await t.rejects(open(fileCertificates(missing)), { code: "FILE_UNREADABLE", message: /none\.pem/ });
    const second = await developmentCertificates([], Date.now());
    write(first.server.cert, second.server.key);
    await t.rejects(open(fileCertificates({ ...missing, cert: join(folder, "cert.pem") })), {
      code: "FILE_UNREADABLE",
    });
    t.equal(environmentCertificates({}), undefined);
    t.throws(() => environmentCertificates({ FEDLOOP_TLS_KEY: "x" }), { code: "BAD_CONFIG" });
    const source = environmentCertificates({
      FEDLOOP_TLS_CERT: first.server.cert,
      FEDLOOP_TLS_KEY: first.server.key,
      FEDLOOP_TLS_CLIENT_CA: first.ca,
    });
    t.ok(source !== undefined && (await open(source)).current.clientCa !== null);
  },
);
