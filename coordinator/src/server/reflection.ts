import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";

/** Server reflection over the very `.proto` files that the messages were generated from, so that grpcurl works. */
export function addReflection(server: Server): void {
  const root = dirname(createRequire(import.meta.url).resolve("@fedloop/proto/package.json"));
  const folder = join(root, "fedloop", "v1");
  const files = readdirSync(folder).filter((name) => name.endsWith(".proto"));
  const definition = loadSync(
    files.map((name) => `fedloop/v1/${name}`),
    { includeDirs: [root], keepCase: true },
  );
  new ReflectionService(definition).addToServer(server);
}
