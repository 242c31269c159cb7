import type { handleBidiStreamingCall, MethodDefinition, Server } from "@grpc/grpc-js";

const VERSIONS = ["v1", "v1alpha"] as const;
const unchanged = (bytes: Buffer): Buffer => bytes;

/**
 * Server reflection, so that grpcurl works. What answers is loaded with the first question: few ask, and the descriptors of
 * all messages would take a tenth of a second of every start and 30 MB of the heap.
 */
export function addReflection(server: Pick<Server, "addService">): void {
  for (const version of VERSIONS) {
    const method: MethodDefinition<Buffer, Buffer> = {
      path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      requestSerialize: unchanged,
      requestDeserialize: unchanged,
      responseSerialize: unchanged,
      responseDeserialize: unchanged,
    };
    server.addService({ serverReflectionInfo: method }, { serverReflectionInfo: answering(method.path) });
  }
}

function answering(path: string): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => {
    const fail = (cause: unknown): void => {
      call.emit("error", cause);
    };
    const loaded = import("./reflection-answers.js").then(({ answerReflection }) => answerReflection);
    call.on("data", (request: Buffer) => {
      loaded.then((answer) => call.write(answer(path, request))).catch(fail);
    });
    call.on("end", () => {
      loaded.then(() => call.end()).catch(fail);
    });
  };
}
