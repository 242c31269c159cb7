import { once } from "node:events";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import t from "tap";
import { addReflection } from "../../src/server/reflection.js";

const unchanged = (bytes: Buffer): Buffer => bytes;
// ServerReflectionRequest: list_services is field 7, file_containing_symbol field 4.
const listServices = Buffer.from([0x3a, 0]);
const symbol = Buffer.from("fedloop.v1.Rounds");
const fileContainingSymbol = Buffer.concat([Buffer.from([0x22, symbol.length]), symbol]);

async function listening(): Promise<{ readonly client: Client; readonly server: Server }> {
  const server = new Server();
  addReflection(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { server, client: new Client(`127.0.0.1:${port}`, credentials.createInsecure()) };
}

t.test("reflection answers every request of a stream in order, in both versions of its protocol", async (t) => {
  const { client, server } = await listening();
  t.teardown(() => {
    client.close();
    server.forceShutdown();
  });
  for (const version of ["v1", "v1alpha"]) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(path, unchanged, unchanged);
    const answers: string[] = [];
    call.on("data", (bytes: Buffer) => answers.push(bytes.toString("latin1")));
    call.write(listServices);
    call.write(fileContainingSymbol);
    call.end();
    await once(call, "end");
    t.equal(answers.length, 2, version);
    for (const name of ["Enrollment", "Consent", "Rounds", "Artifacts", "Transparency"])
      t.match(answers[0], `fedloop.v1.${name}`);
    t.match(answers[1], "SubmitMasked");
  }
});
