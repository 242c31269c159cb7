import { once } from "node:events";
import { connect, type Settings } from "node:http2";
import { FLOW_CONTROL_WINDOW_BYTES } from "@fedloop/proto";
import { ServerCredentials } from "@grpc/grpc-js";
import t from "tap";
import { Authenticator } from "../../src/registry/authentication.js";
import { GrpcServer } from "../../src/rpc/grpc-server.js";

t.test(
  "the gRPC server lets streams and connections send more than HTTP/2's 64 KiB before they must ask",
  async (t) => {
    const clock = { now: () => Date.now() };
    const registry = { find: async () => undefined, findAnew: async () => undefined };
    const verifier = { verify: async () => false };
    const authenticator = new Authenticator({ registry, verifier, clock });
    const server = new GrpcServer({ authenticator, clock, onFault: () => {} });
    const port = await server.listen("127.0.0.1:0", ServerCredentials.createInsecure());
    const session = connect(`http://127.0.0.1:${port}`);
    t.teardown(async () => {
      session.destroy();
      await server.close(0);
    });
    const [settings]: Settings[] = await once(session, "remoteSettings");
    t.equal(settings?.initialWindowSize, FLOW_CONTROL_WINDOW_BYTES, "a stream");
    // What the server sends first has arrived when its answer to a ping has.
    await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))));
    t.equal(session.state.remoteWindowSize, FLOW_CONTROL_WINDOW_BYTES, "a connection");
  },
);
