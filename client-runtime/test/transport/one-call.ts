/** A process that makes one call and has nothing else to do: it closes nothing. */
import { create } from "@bufbuild/protobuf";
import { GetCheckpointRequestSchema, Transparency } from "@fedloop/proto";
import { grpcTransport } from "../../src/transport/grpc.node.js";

const transport = grpcTransport({ address: process.argv[2] ?? "" });
process.disconnect();
const request = create(GetCheckpointRequestSchema);
await transport.unary(Transparency.method.getCheckpoint, request, { metadata: {}, body: new Uint8Array() });
