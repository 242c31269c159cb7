import { connectTransport } from "@fedloop/client-runtime/connect";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { ServerCredentials } from "@grpc/grpc-js";
import t from "tap";
import { ConnectHost } from "../../src/http/connect.js";
import { HttpServer } from "../../src/http/http-server.js";
import { GrpcServer } from "../../src/rpc/grpc-server.js";
import { type HostKind, hostCompliance } from "./host-compliance.js";

const grpc: HostKind = async (options, add) => {
  const server = new GrpcServer(options);
  add(server);
  const port = await server.listen("127.0.0.1:0", ServerCredentials.createInsecure());
  const transport = grpcTransport({ address: `127.0.0.1:${port}` });
  return { transport, close: (graceMs) => server.close(graceMs) };
};

const connect: HostKind = async (options, add) => {
  const host = new ConnectHost({ ...options, corsOrigins: [] });
  add(host);
  const { onFault } = options;
  const server = await HttpServer.open({ host: "127.0.0.1", port: 0, tls: null, routes: [host.routes], onFault });
  const transport = connectTransport({ baseUrl: `http://127.0.0.1:${server.port}` });
  return { transport, close: (graceMs) => server.close(graceMs) };
};

// grpc-js holds 16 messages ready for its reader, and the flow-control window lets some more be on their way.
hostCompliance(t, "gRPC", grpc, 24);
// The kernel's buffers on both sides of a loopback connection, and the one that fetch fills, hold some chunks.
hostCompliance(t, "Connect", connect, 16);
