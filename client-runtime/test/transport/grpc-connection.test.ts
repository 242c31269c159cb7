import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import t, { type Test } from "tap";
import { GrpcConnection } from "../../src/transport/grpc-connection.node.js";

const HEADERS = { ":method": "POST", ":path": "/" };
const PATIENT = { silenceMs: 60_000, answerMs: 60_000, connectMs: 60_000 };

async function portOf(server: Http2Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("expected a port");
  return address.port;
}

/** A server that takes streams and never says anything in them. @returns its port, and its side of each connection */
async function silentServer(t: Test): Promise<{ port: number; next: () => Promise<ServerHttp2Session> }> {
  const server = createServer();
  server.on("stream", (stream) => stream.on("error", () => undefined));
  t.teardown(() => server.close());
  const port = await portOf(server);
  return { port, next: async () => (await once(server, "session"))[0] };
}

/** Lets bytes through until it hangs: then they go nowhere, and the connection stays open. */
async function hangingRoad(t: Test, to: number): Promise<{ port: number; hang: () => void }> {
  const ends: Socket[] = [];
  const server = createTcpServer((near) => {
    const far = connect(to, "127.0.0.1");
    near.pipe(far).pipe(near);
    ends.push(near, far);
    for (const end of [near, far]) end.on("error", () => undefined);
  });
  t.teardown(() => {
    for (const end of ends) end.destroy();
    server.close();
  });
  const hang = (): void => {
    for (const end of ends) end.unpipe().pause();
  };
  return { port: await portOf(server), hang };
}

t.test("a call to a server that hangs ends, and the next one gets a connection of its own", async (t) => {
  const { port: server } = await silentServer(t);
  const road = await hangingRoad(t, server);
  const connection = new GrpcConnection(
    `http://127.0.0.1:${road.port}`,
    {},
    { ...PATIENT, silenceMs: 50, answerMs: 50 },
  );
  const stream = await connection.request(HEADERS);
  stream.on("error", () => undefined);
  const ended = once(stream, "close");
  road.hang();
  await ended;
  const next = await connection.request(HEADERS);
  next.on("error", () => undefined);
  t.not(next.session, stream.session);
  await connection.close();
});

t.test("a server that only listens is asked every now and then, and kept", async (t) => {
  const { port, next } = await silentServer(t);
  const connection = new GrpcConnection(`http://127.0.0.1:${port}`, {}, { ...PATIENT, silenceMs: 10 });
  const coming = next();
  const stream = await connection.request(HEADERS);
  stream.on("error", () => undefined);
  const session = await coming;
  for (let pings = 0; pings < 3; pings++) await once(session, "ping");
  t.notOk(stream.destroyed);
  await connection.close();
});

t.test("a connection that is made a moment after it was given up fails its call, and not the process", async (t) => {
  const { port } = await silentServer(t);
  const connection = new GrpcConnection(`http://127.0.0.1:${port}`, {}, { ...PATIENT, connectMs: 1 });
  const call = connection.request(HEADERS);
  // The server's kernel has answered by then, and of two things that are due Node looks at timers first.
  const untilMs = performance.now() + 20;
  while (performance.now() < untilMs);
  await t.rejects(call, { message: "no connection in time" });
  await connection.close();
});
