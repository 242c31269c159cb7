import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { Receiver } from "../webhooks/receiver.js";
import { typed } from "./typed.js";

t.test("webhooks are listed without their whole address, and tested with a signed message", async (t) => {
  const receiver = await Receiver.open(t);
  const folder = temporaryFolder(t);
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  writeFileSync(join(folder, "secret"), secret);
  const config = join(folder, "fedloop.yaml");
  writeFileSync(
    config,
    `origin: example.org/log
plans: [plan.yaml]
webhooks:
  - { name: ops, url: "${receiver.url}?token=hidden", secretFile: secret, allowPrivate: true }
  - { name: outside, url: "https://127.0.0.1/hook", secretFile: secret, events: [round.closed] }
`,
  );
  const run = (...words: string[]) => typed(["--config", config, "webhooks", ...words, "--json"]);
  const listed = await run("list");
  t.match(JSON.parse(listed.out), { webhooks: [{ name: "ops" }, { name: "outside", events: ["round.closed"] }] });
  t.notMatch(listed.out, /hidden|whsec_/);
  const tested = await run("test", "ops");
  t.match(JSON.parse(tested.out), { name: "ops", status: 200 }, tested.err);
  const [{ headers = {}, body = "" } = {}] = receiver.received;
  t.match(new Webhook(secret).verify(body, headers as Record<string, string>), {
    type: "test",
    data: { endpoint: "ops" },
  });
  receiver.statuses.push(500);
  t.match(await run("test", "ops"), { exitCode: 7, err: /status 500/ });
  t.match(await run("test", "outside"), { exitCode: 7, err: /private network/ });
  t.match(await run("test", "nobody"), { exitCode: 1, err: /"NOT_FOUND".*ops, outside/ });
});
