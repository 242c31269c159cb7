// Writes docs/openapi.json from the routes: node coordinator/dist/test/admin/write-openapi.js
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ServerCredentials } from "@grpc/grpc-js";
import t from "tap";
import { Coordinator } from "../../src/server/coordinator.js";
import { ORIGIN } from "../server/federation.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { callsAs, HTTP } from "./api.js";

const folder = temporaryFolder(t);
const coordinator = await Coordinator.open({
  origin: ORIGIN,
  dataDir: folder,
  plans: [await testPlan(folder)],
  enrolment: { type: "open" },
  credentials: ServerCredentials.createInsecure(),
  address: "127.0.0.1:0",
  http: HTTP,
  clock: Date,
  concurrentUploads: 1,
  onFault: () => undefined,
});
const { body } = await (await callsAs(coordinator, "viewer")).get("/openapi.json");
const path = fileURLToPath(new URL("../../../../docs/openapi.json", import.meta.url));
writeFileSync(path, `${JSON.stringify(body, null, 2)}\n`);
execFileSync("npx", ["biome", "format", "--write", path]);
await coordinator.close();
