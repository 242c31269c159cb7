import { createRequire } from "node:module";
import t from "tap";
import "../../src/server/serve.js";

t.test("a coordinator's code brings nothing that only some coordinators need", async (t) => {
  const loaded = Object.keys(createRequire(import.meta.url).cache).join("\n");
  t.match(loaded, "@grpc/grpc-js/");
  for (const name of ["@grpc/reflection/", "fastify/", "@nats-io/", "pg/lib/"])
    t.notMatch(loaded, `node_modules/${name}`);
});
