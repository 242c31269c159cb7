import t from "tap";
import { grpcTransport } from "../../src/transport/grpc.node.js";
import { start } from "../coordinator/participants.js";

t.test("an address off loopback needs TLS", async (t) => {
  for (const address of ["example.org:443", "10.0.0.1:50051", "localhost.example.org:1", "127.0.0.1.example.org:1"]) {
    t.throws(() => grpcTransport({ address }), { code: "BAD_OPTION" }, address);
  }
  for (const address of ["localhost:1", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1"]) {
    await grpcTransport({ address }).close();
  }
  await grpcTransport({ address: "example.org:443", tls: {} }).close();
  t.pass();
});

t.test("a coordinator that is not there is UNAVAILABLE", async (t) => {
  const { coordinator, join } = await start(t);
  await coordinator.crash();
  await t.rejects(join(), { code: "UNAVAILABLE" });
});

t.test("the coordinator's own code reaches the app", async (t) => {
  const { join } = await start(t);
  await t.rejects(join({ population: "nobody" }), { code: "REMOTE", remoteCode: "UNKNOWN_POPULATION" });
});

t.test("an aborted call is ABORTED", async (t) => {
  const { join } = await start(t);
  await t.rejects(join({ signal: AbortSignal.abort() }), { code: "ABORTED" });
});
