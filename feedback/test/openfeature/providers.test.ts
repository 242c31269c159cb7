import { OpenFeature as ServerFeature } from "@openfeature/server-sdk";
import { OpenFeature as WebFeature } from "@openfeature/web-sdk";
import t from "tap";
import { Experiments, experimentFlag, type Flags, LAYER_BUCKETS, scoreFlag, staticFlag } from "../../src/index.js";
import { serverFlagProvider } from "../../src/openfeature/server.js";
import { webFlagProvider } from "../../src/openfeature/web.js";

const GREETING = {
  id: "greeting",
  version: 1,
  arms: [
    { name: "plain", weight: 1 },
    { name: "warm", weight: 1 },
  ],
  outcomes: ["opened"],
};
const experiments = new Experiments({ experiments: [GREETING] }, new Uint8Array(32).fill(3));
const held = new Experiments(
  { experiments: [GREETING], holdout: { id: "h", buckets: LAYER_BUCKETS } },
  new Uint8Array(32),
);
let score = 0.2;
const flags: Flags = {
  greeting: experimentFlag(experiments, "greeting", { plain: "Hello", warm: "Welcome back" }, "Hello"),
  heldOut: experimentFlag(held, "greeting", { plain: 1, warm: 2 }, 0),
  hints: scoreFlag(() => score, 0.5, { above: true, below: false }),
  layout: staticFlag({ columns: 2 }),
  broken: {
    resolve() {
      throw new Error("what this person wrote");
    },
  },
};
const assignment = experiments.assign("greeting");
const arm = assignment.type === "arm" ? assignment.arm : "none";
const greeting = arm === "warm" ? "Welcome back" : "Hello";

t.test("the web SDK gets what the device decides, with variant and reason", async (t) => {
  await WebFeature.setProviderAndWait(webFlagProvider(flags));
  const client = WebFeature.getClient();
  t.match(client.getStringDetails("greeting", "x"), { value: greeting, variant: arm, reason: "SPLIT" });
  t.match(client.getNumberDetails("heldOut", 9), { value: 0, variant: "holdout", reason: "DEFAULT" });
  t.match(client.getBooleanDetails("hints", true), { value: false, variant: "below", reason: "TARGETING_MATCH" });
  score = 0.5;
  t.equal(client.getBooleanValue("hints", false), true, "the model has learned");
  t.match(client.getObjectDetails("layout", {}), { value: { columns: 2 }, reason: "STATIC" });
  t.match(client.getBooleanDetails("none", true), { value: true, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" });
  t.match(client.getBooleanDetails("toString", true), { value: true, errorCode: "FLAG_NOT_FOUND" });
  t.match(client.getBooleanDetails("greeting", true), { value: true, errorCode: "TYPE_MISMATCH" });
  const broken = client.getStringDetails("broken", "default");
  t.match(broken, { value: "default", errorCode: "GENERAL" });
  t.notMatch(broken.errorMessage, "wrote");
  await WebFeature.close();
});

t.test("the server SDK gets the same", async (t) => {
  await ServerFeature.setProviderAndWait(serverFlagProvider(flags));
  const client = ServerFeature.getClient();
  t.match(await client.getStringDetails("greeting", "x"), { value: greeting, variant: arm, reason: "SPLIT" });
  t.match(await client.getNumberDetails("heldOut", 9), { value: 0, variant: "holdout" });
  t.match(await client.getObjectDetails("layout", {}), { value: { columns: 2 } });
  t.match(await client.getNumberDetails("greeting", 4), { value: 4, errorCode: "TYPE_MISMATCH" });
  t.match(await client.getBooleanDetails("none", true), { value: true, errorCode: "FLAG_NOT_FOUND" });
  await ServerFeature.close();
});

t.test("a flag without a value for an arm is refused when it is made", async (t) => {
  t.throws(() => experimentFlag(experiments, "greeting", { plain: 1 }, 0), { code: "BAD_EXPERIMENT" });
  t.throws(() => experimentFlag(experiments, "none", {}, 0), { code: "BAD_EXPERIMENT" });
});
