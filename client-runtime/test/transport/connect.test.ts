// What is the Connect transport's own; what it shares with gRPC is in test/src/transports.
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  Artifacts,
  Enrollment,
  ErrorDetailSchema,
  GetArtifactRequestSchema,
  type RoundEvent,
  Rounds,
} from "@fedloop/proto";
import t, { type Test } from "tap";
import { systemClock, type Transport } from "../../src/index.js";
import { type ConnectTransportOptions, connectTransport } from "../../src/transport/connect.js";

async function start(t: Test, answer: RequestListener, options: Partial<ConnectTransportOptions> = {}) {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = server.address();
  const port = typeof at === "object" && at !== null ? at.port : 0;
  const transport = connectTransport({ baseUrl: `http://127.0.0.1:${port}`, ...options });
  t.teardown(async () => {
    await transport.close();
    server.closeAllConnections();
    server.close();
  });
  return transport;
}

function leave(transport: Transport): Promise<unknown> {
  const request = create(Enrollment.method.leave.input, {});
  return transport.unary(Enrollment.method.leave, request, { metadata: {}, body: new Uint8Array(0) });
}

function watch(transport: Transport): AsyncIterator<RoundEvent> {
  const request = create(Rounds.method.watch.input, { population: "p" });
  const body = toBinary(Rounds.method.watch.input, request);
  return transport.serverStream(Rounds.method.watch, request, { metadata: {}, body })[Symbol.asyncIterator]();
}

/** A stream's message: no flags, its length, the message. */
function envelope(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

t.test("an address off loopback needs https", async (t) => {
  for (const baseUrl of [
    "http://example.org",
    "http://10.0.0.1:7480",
    "http://127.0.0.1.example.org",
    "ftp://localhost",
  ]) {
    t.throws(() => connectTransport({ baseUrl }), { code: "BAD_OPTION" }, baseUrl);
  }
  for (const baseUrl of ["https://example.org/", "http://localhost:7480", "http://[::1]:7480", "http://127.0.0.1"]) {
    await connectTransport({ baseUrl }).close();
  }
  t.throws(() => connectTransport({ baseUrl: "example.org" }), { code: "BAD_OPTION" });
});

t.test("the metadata are header fields, and the body is the message that was signed", async (t) => {
  const seen: { url?: string | undefined; type?: string | undefined; signature?: unknown; body: Buffer }[] = [];
  const transport = await start(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { "content-type": type, "fedloop-signature": signature } = request.headers;
    seen.push({ url: request.url, type, signature, body: Buffer.concat(chunks) });
    response.writeHead(200, { "content-type": "application/proto" }).end();
  });
  const schema = Artifacts.method.uploadChunk.input;
  const upload = { population: "p", round: 3n, data: new Uint8Array(70_000) };
  const request = create(schema, upload);
  // Encoded as another library may do it, with the fields in another order.
  const { data, ...rest } = upload;
  const body = Buffer.concat([toBinary(schema, create(schema, { data })), toBinary(schema, create(schema, rest))]);
  const metadata = { "fedloop-signature": "abc" };
  await transport.unary(Artifacts.method.uploadChunk, request, { metadata, body });
  t.match(seen, [{ url: "/fedloop.v1.Artifacts/UploadChunk", type: "application/proto", signature: "abc" }]);
  t.ok(seen[0]?.body.equals(body));
});

t.test("a stream that is silent for too long counts as broken; a reader may take its time", async (t) => {
  const event = toBinary(Rounds.method.watch.output, create(Rounds.method.watch.output, { round: 7n }));
  const transport = await start(
    t,
    (_request, response) => {
      response.writeHead(200, { "content-type": "application/connect+proto" }).write(envelope(event));
    },
    { silenceMs: 400 },
  );
  const events = watch(transport);
  t.match(await events.next(), { value: { round: 7n } });
  const began = performance.now();
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  for (let i = 0; i < 5; i++) {
    await systemClock().wait(100);
    // Node's fetch forgets its signal with the request, when that is collected.
    collect();
  }
  await t.rejects(events.next(), { code: "UNAVAILABLE", message: /silent/ });
  t.ok(performance.now() - began >= 850, "counted from the moment that the reader came back");
});

t.test("what is no coordinator, and a connection that breaks in mid-answer", async (t) => {
  const other = await start(t, (_request, response) => void response.writeHead(404).end("not here"));
  await t.rejects(leave(other), { code: "PROTOCOL" });
  const proxy = await start(t, (_request, response) => void response.writeHead(502).end());
  await t.rejects(leave(proxy), { code: "UNAVAILABLE" });
  const broken = await start(t, (_request, response) => {
    response.writeHead(200, { "content-type": "application/proto", "content-length": "100" }).write("half");
    response.destroy();
  });
  await t.rejects(leave(broken), { code: "UNAVAILABLE" });
  const cut = await start(t, (_request, response) => {
    response.writeHead(200, { "content-type": "application/connect+proto" }).end();
  });
  await t.rejects(watch(cut).next(), { code: "UNAVAILABLE" }, "a stream without its end");
});

t.test("a closed transport ends what is under way and takes nothing new", async (t) => {
  const transport = await start(t, () => {});
  const request = create(GetArtifactRequestSchema, {});
  const pending = leave(transport);
  const stream = transport
    .serverStream(Artifacts.method.getArtifact, request, { metadata: {}, body: new Uint8Array(0) })
    [Symbol.asyncIterator]()
    .next();
  const ended = Promise.all([t.rejects(pending, { code: "ABORTED" }), t.rejects(stream, { code: "ABORTED" })]);
  await transport.close();
  await ended;
  await t.rejects(leave(transport), { code: "ABORTED" });
});

t.test("a stream is read whatever the pieces it comes in, and its error is the coordinator's own", async (t) => {
  const event = toBinary(Rounds.method.watch.output, create(Rounds.method.watch.output, { round: 7n }));
  const detail = create(ErrorDetailSchema, { code: "BUSY", message: "later", retryAfterMs: 250, serverTimeMs: 9n });
  const value = Buffer.from(toBinary(ErrorDetailSchema, detail)).toString("base64").replaceAll("=", "");
  const error = {
    code: "unavailable",
    details: [
      { type: "other", value: "" },
      { type: ErrorDetailSchema.typeName, value },
    ],
  };
  const end = envelope(Buffer.from(JSON.stringify({ error })));
  end[0] = 2;
  const transport = await start(t, async (_request, response) => {
    response.writeHead(200, { "content-type": "application/connect+proto" });
    for (const byte of Buffer.concat([envelope(event), envelope(event), end])) {
      await new Promise((resolve) => response.write(Uint8Array.of(byte), resolve));
    }
    response.end();
  });
  const events = watch(transport);
  t.match(await events.next(), { value: { round: 7n } });
  t.match(await events.next(), { value: { round: 7n } });
  await t.rejects(events.next(), { code: "REMOTE", remoteCode: "BUSY", retryAfterMs: 250, serverTimeMs: 9 });
});

t.test("messages that are compressed, too long or no messages are refused", async (t) => {
  const compressed = envelope(Uint8Array.of(1));
  compressed[0] = 1;
  const long = envelope(Uint8Array.of(1));
  long.writeUInt32BE(0xffff_ffff, 1);
  const none = envelope(Uint8Array.of(0x0a, 0x7f));
  for (const [name, bytes] of Object.entries({ compressed, long, none })) {
    const transport = await start(t, (_request, response) => {
      response.writeHead(200, { "content-type": "application/connect+proto" }).write(bytes);
    });
    await t.rejects(watch(transport).next(), { code: "PROTOCOL" }, name);
  }
});

t.test("of an answer without end no more is read than a message may have, be it an error or not", async (t) => {
  const piece = Buffer.alloc(64 << 10);
  for (const [status, type] of [
    [200, "application/proto"],
    [403, "application/json"],
  ] as const) {
    let closed: Promise<unknown> | undefined;
    const transport = await start(t, (_request, response) => {
      response.writeHead(status, { "content-type": type });
      closed = once(response, "close");
      const more = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on("drain", more);
      more();
    });
    await t.rejects(leave(transport), { code: "PROTOCOL", message: /at most [0-9]+ bytes, came more/ }, type);
    await closed;
  }
});

t.test("the login page of a network passes, and a coordinator's error tells its code", async (t) => {
  const page = await start(t, (_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<p>Please log in</p>");
  });
  await t.rejects(leave(page), { code: "UNAVAILABLE" });
  const detail = create(ErrorDetailSchema, { code: "NO_CONSENT", message: "none" });
  const value = Buffer.from(toBinary(ErrorDetailSchema, detail)).toString("base64");
  const told = await start(t, (_request, response) => {
    const details = [{ type: ErrorDetailSchema.typeName, value }];
    const body = JSON.stringify({ code: "permission_denied", details });
    response.writeHead(403, { "content-type": "application/json" }).end(body);
  });
  await t.rejects(leave(told), { code: "REMOTE", remoteCode: "NO_CONSENT" });
  const other = await start(t, (_request, response) => {
    response.writeHead(403, { "content-type": "application/json" }).end(JSON.stringify({ code: "permission_denied" }));
  });
  await t.rejects(leave(other), { code: "PROTOCOL" });
});
