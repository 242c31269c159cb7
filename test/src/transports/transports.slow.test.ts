import { connectTransport } from "@fedloop/client-runtime/connect";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import t from "tap";
import { transportCompliance } from "./compliance.js";

t.setTimeout(240_000);

transportCompliance(t, "gRPC", {
  port: ({ grpc }) => grpc,
  open: (address) => grpcTransport({ address }),
});

transportCompliance(t, "Connect", {
  port: ({ http }) => http,
  open: (address) => connectTransport({ baseUrl: `http://${address}` }),
});
