import { EventEmitter } from "node:events";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { CoordinatorError } from "../errors.js";

type Answer = (request: Buffer) => Buffer;

/** By the path of the method. */
const answers = new Map<string, Answer>();

// The library hands its handlers to a server, and they answer each message of a stream at once.
new ReflectionService(definition()).addToServer({
  addService(service, implementation) {
    for (const [name, method] of Object.entries(service)) {
      const handle = implementation[name];
      if (handle === undefined) continue;
      answers.set(method.path, (request) => {
        let response: unknown;
        const write = (message: unknown): void => {
          response = message;
        };
        const call = Object.assign(new EventEmitter(), { write, end: () => undefined });
        Reflect.apply(handle, undefined, [call]);
        call.emit("data", method.requestDeserialize(request));
        return method.responseSerialize(response);
      });
    }
  },
});

/** The very `.proto` files that the messages were generated from. */
function definition(): PackageDefinition {
  const root = dirname(createRequire(import.meta.url).resolve("@fedloop/proto/package.json"));
  const folder = join(root, "fedloop", "v1");
  const files = readdirSync(folder).filter((name) => name.endsWith(".proto"));
  return loadSync(
    files.map((name) => `fedloop/v1/${name}`),
    { includeDirs: [root], keepCase: true },
  );
}

/**
 * Answers one request of a reflection stream.
 *
 * @param path of the method, in one of the protocol's versions
 * @throws CoordinatorError INTERNAL for a path that is no method of reflection
 */
export function answerReflection(path: string, request: Buffer): Buffer {
  const answer = answers.get(path);
  if (answer === undefined) throw new CoordinatorError("INTERNAL", `expected a method of reflection, came ${path}`);
  return answer(request);
}
