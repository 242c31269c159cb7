import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";

let reflection: ReflectionService | undefined;

/** Server reflection over the very `.proto` files that the messages were generated from, so that grpcurl works. */
export function addReflection(server: Server): void {
  reflection ??= new ReflectionService(definition());
  reflection.addToServer(server);
}

function definition(): PackageDefinition {
  const root = dirname(createRequire(import.meta.url).resolve("@fedloop/proto/package.json"));
  const folder = join(root, "fedloop", "v1");
  const files = readdirSync(folder).filter((name) => name.endsWith(".proto"));
  return loadSync(
    files.map((name) => `fedloop/v1/${name}`),
    { includeDirs: [root], keepCase: true },
  );
}
