import { once } from "node:events";
import type { Message } from "@bufbuild/protobuf";
import { type ArtifactChunk, ArtifactChunkSchema, Artifacts } from "@fedloop/proto";
import { encodedOnce, framedOnce, serviceDefinition } from "@fedloop/proto/grpc";
import { Client, credentials, Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import t from "tap";
import { sendWithoutCopies } from "../../src/rpc/framed-messages.js";

t.test("grpc-js sends a message that was encoded once from the memory it lies in, and any other as ever", async (t) => {
  const kept = encodedOnce(ArtifactChunkSchema, { offset: 7n, data: new Uint8Array(100_000).fill(3), totalBytes: 9n });
  const plain: ArtifactChunk = { ...kept, offset: 8n };
  const frames: unknown[] = [];
  const server = new Server();
  server.addService(serviceDefinition(Artifacts), {
    getArtifact: (call: ServerWritableStream<Message, Message>) => {
      sendWithoutCopies(call);
      const { serializeMessage } = Reflect.get(call, "call");
      frames.push(serializeMessage(kept), serializeMessage(kept));
      for (const message of [kept, plain, kept]) call.write(message);
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.teardown(() => {
    client.close();
    server.forceShutdown();
  });
  const { path, responseDeserialize } = serviceDefinition(Artifacts).getArtifact ?? {};
  if (path === undefined || responseDeserialize === undefined) throw new Error("expected the method");
  const call = client.makeServerStreamRequest(path, (bytes: Buffer) => bytes, responseDeserialize, Buffer.alloc(0));
  const came: ArtifactChunk[] = [];
  call.on("data", (message) => came.push(message));
  await once(call, "end");
  t.same(
    came.map(({ offset, totalBytes }) => [offset, totalBytes]),
    [
      [7n, 9n],
      [8n, 9n],
      [7n, 9n],
    ],
  );
  for (const { data } of came) t.ok(Buffer.from(data).equals(kept.data));
  t.ok(frames[0] === frames[1] && frames[0] === framedOnce(kept), "no copy is made");
});
