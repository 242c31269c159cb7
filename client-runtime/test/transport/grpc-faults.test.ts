// What the gRPC transport makes of servers that are slow, wrong, or not a coordinator: a plain HTTP/2 server says what the test wants.
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  ArtifactChunkSchema,
  Artifacts,
  ErrorDetailSchema,
  GetArtifactRequestSchema,
  GetCheckpointRequestSchema,
  GetCheckpointResponseSchema,
  MAX_MESSAGE_BYTES,
  METADATA,
  Transparency,
} from "@fedloop/proto";
import t, { type Test } from "tap";
import { grpcTransport } from "../../src/transport/grpc.node.js";
import type { Transport } from "../../src/transport/transport.js";

const HEADERS = { ":status": 200, "content-type": "application/grpc+proto" };

function framed(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

const there = framed(
  toBinary(GetCheckpointResponseSchema, create(GetCheckpointResponseSchema, { checkpoint: "there" })),
);

/** Answers a call with these pieces, each in a turn of its own, and a status. */
function answer(
  stream: ServerHttp2Stream,
  pieces: readonly Uint8Array[],
  status: Record<string, string | number>,
): void {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(status));
  const next = (i: number): void => {
    const piece = pieces[i];
    if (piece === undefined) stream.end();
    else stream.write(piece, () => setImmediate(next, i + 1));
  };
  next(0);
}

async function start(
  t: Test,
  handle: (stream: ServerHttp2Stream, path: string) => void,
): Promise<{
  readonly server: Http2Server;
  readonly transport: Transport;
  readonly address: string;
}> {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    handle(stream, String(headers[":path"]));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const transport = grpcTransport({ address });
  t.teardown(async () => {
    await transport.close();
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { server, transport, address };
}

interface Ask {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

async function checkpoint(transport: Transport, ask: Ask = {}): Promise<string> {
  const request = create(GetCheckpointRequestSchema);
  return (
    await transport.unary(Transparency.method.getCheckpoint, request, { metadata: {}, body: new Uint8Array(), ...ask })
  ).checkpoint;
}

t.test("a message arrives whole wherever it is cut", async (t) => {
  for (let cut = 1; cut < there.length; cut++) {
    const { transport } = await start(t, (stream) =>
      answer(stream, [there.subarray(0, cut), there.subarray(cut)], { "grpc-status": 0 }),
    );
    t.equal(await checkpoint(transport), "there");
    await transport.close();
  }
});

t.test("what is no answer of a coordinator's is told as what it is", async (t) => {
  const detail = create(ErrorDetailSchema, { code: "BUSY", message: "come back", retryAfterMs: 70, serverTimeMs: 5n });
  const bin = Buffer.from(toBinary(ErrorDetailSchema, detail)).toString("base64");
  const cases: [string, (stream: ServerHttp2Stream) => void, Record<string, string | number>][] = [
    [
      "an error without a body",
      (s) => s.respond({ ...HEADERS, "grpc-status": 8, [METADATA.error]: bin }, { endStream: true }),
      { code: "REMOTE", remoteCode: "BUSY", retryAfterMs: 70, serverTimeMs: 5 },
    ],
    [
      "an error after a message",
      (s) => answer(s, [there], { "grpc-status": 8, [METADATA.error]: bin }),
      { code: "REMOTE", remoteCode: "BUSY" },
    ],
    [
      "an error detail that is none",
      (s) => answer(s, [], { "grpc-status": 8, [METADATA.error]: "////" }),
      { code: "PROTOCOL" },
    ],
    ["a status without detail", (s) => answer(s, [], { "grpc-status": 12 }), { code: "PROTOCOL" }],
    ["a server that goes down", (s) => answer(s, [], { "grpc-status": 14 }), { code: "UNAVAILABLE" }],
    ["no message", (s) => answer(s, [], { "grpc-status": 0 }), { code: "PROTOCOL" }],
    ["a compressed message", (s) => answer(s, [framed(there, 1)], { "grpc-status": 0 }), { code: "PROTOCOL" }],
    [
      "a message that would be too long",
      (s) => answer(s, [framed(there, 0, MAX_MESSAGE_BYTES + 1)], { "grpc-status": 0 }),
      { code: "PROTOCOL" },
    ],
    [
      "a message that cannot be read",
      (s) => answer(s, [framed(Uint8Array.of(0xff, 0xff))], { "grpc-status": 0 }),
      { code: "PROTOCOL" },
    ],
    [
      "a web page",
      (s) => s.respond({ ":status": 200, "content-type": "text/html" }, { endStream: true }),
      { code: "PROTOCOL" },
    ],
    [
      "a proxy without what is behind it",
      (s) => s.respond({ ":status": 503 }, { endStream: true }),
      { code: "UNAVAILABLE" },
    ],
    ["a stream that is reset", (s) => s.close(2), { code: "UNAVAILABLE" }],
    ["a connection that is cut", (s) => s.session?.destroy(), { code: "UNAVAILABLE" }],
  ];
  for (const [name, handle, expected] of cases) {
    const { transport } = await start(t, handle);
    t.match(await checkpoint(transport).catch((cause: unknown) => cause), expected, name);
    await transport.close();
  }
});

t.test(
  "a call ends with its time, with the app's signal and with the transport, and the server hears of it",
  async (t) => {
    const ended: Promise<unknown>[] = [];
    const { transport } = await start(t, (stream) => ended.push(once(stream, "close")));
    await t.rejects(checkpoint(transport, { timeoutMs: 20 }), { code: "DEADLINE" });
    const going = new AbortController();
    const aborted = checkpoint(transport, { signal: going.signal });
    going.abort();
    await t.rejects(aborted, { code: "ABORTED" });
    await t.rejects(checkpoint(transport, { signal: AbortSignal.abort() }), { code: "ABORTED" });
    await ended[0];
    const open = t.rejects(checkpoint(transport), { code: "UNAVAILABLE" });
    await transport.close();
    await open;
    await t.rejects(checkpoint(transport), { code: "ABORTED" }, "a closed transport makes no calls");
  },
);

t.test("a connection that broke is made anew by the next call", async (t) => {
  let isBroken = true;
  const { transport } = await start(t, (stream) => {
    if (isBroken) stream.session?.destroy();
    else answer(stream, [there], { "grpc-status": 0 });
    isBroken = false;
  });
  await t.rejects(checkpoint(transport), { code: "UNAVAILABLE" });
  t.equal(await checkpoint(transport), "there");
});

t.test("nobody there is UNAVAILABLE, and who comes back is reached again", async (t) => {
  const { server, transport, address } = await start(t, (stream) => answer(stream, [there], { "grpc-status": 0 }));
  server.close();
  await once(server, "close");
  await t.rejects(checkpoint(transport), { code: "UNAVAILABLE" });
  await t.rejects(checkpoint(transport), { code: "UNAVAILABLE" }, "at once, for a moment");
  server.listen(Number(address.split(":")[1]), "127.0.0.1");
  await once(server, "listening");
  let answered = "";
  while (answered === "") answered = await checkpoint(transport).catch(() => new Promise((go) => setImmediate(go, "")));
  t.equal(answered, "there");
});

t.test("a stream is read no faster than its reader reads", async (t) => {
  const CHUNKS = 40;
  let written = 0;
  const chunk = framed(toBinary(ArtifactChunkSchema, create(ArtifactChunkSchema, { data: new Uint8Array(1 << 20) })));
  const { transport } = await start(t, (stream) => {
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": 0 }));
    const next = (): void => {
      written += 1;
      if (written === CHUNKS) stream.end(chunk);
      else stream.write(chunk, next);
    };
    next();
  });
  const request = create(GetArtifactRequestSchema);
  let read = 0;
  let ahead = 0;
  for await (const { data } of transport.serverStream(Artifacts.method.getArtifact, request, {
    metadata: {},
    body: new Uint8Array(),
  })) {
    read += data.length >> 20;
    for (let turn = 0; turn < 20; turn++) await new Promise((go) => setImmediate(go));
    ahead = Math.max(ahead, written - read);
  }
  t.equal(read, CHUNKS);
  t.ok(ahead < 20, `${ahead} chunks ahead of the reader`);
});

t.test("an idle transport lets its process end", async (t) => {
  const { address } = await start(t, (stream) => answer(stream, [there], { "grpc-status": 0 }));
  const child = fork(new URL("./one-call.js", import.meta.url), [address], { stdio: "ignore" });
  const [code] = await once(child, "exit");
  t.equal(code, 0);
});
