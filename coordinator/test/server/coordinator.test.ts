import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { ServerCredentials } from "@grpc/grpc-js";
import t from "tap";
import { Coordinator, type CoordinatorOptions } from "../../src/server/coordinator.js";
import { RawDevice } from "../rpc/raw-device.js";
import { temporaryFolder } from "../temporary-folder.js";
import { Federation, ORIGIN } from "./federation.js";
import { PURPOSE, testPlan } from "./plans.js";

async function options(dataDir: string, changes: Partial<CoordinatorOptions> = {}): Promise<CoordinatorOptions> {
  return {
    origin: ORIGIN,
    dataDir,
    plans: [await testPlan(dataDir)],
    enrolment: { type: "open" },
    credentials: ServerCredentials.createInsecure(),
    address: "127.0.0.1:0",
    clock: { now: () => Date.now() },
    concurrentUploads: 4,
    onFault: () => undefined,
    ...changes,
  };
}

t.test("an address in use is told as such, and the data folder is free for another try", async (t) => {
  const first = await Federation.open(t);
  const folder = temporaryFolder(t);
  await t.rejects(Coordinator.open(await options(folder, { address: first.address })), { code: "ADDRESS_IN_USE" });
  await using second = await Coordinator.open(await options(folder));
  t.ok(second.port > 0);
});

t.test("one data folder has one coordinator at a time", async (t) => {
  const first = await Federation.open(t);
  await t.rejects(Coordinator.open(await options(first.folder)), { code: "STORE_LOCKED" });
  await first.close();
  await using second = await Coordinator.open(await options(first.folder));
  t.equal(second.verifierKey, first.coordinator.verifierKey, "and its keys are those that it had");
});

t.test("a key file that lost its bytes, or a log of other keys, is refused and not replaced", async (t) => {
  const first = await Federation.open(t);
  await first.close();
  await truncate(join(first.folder, "keys", "checkpoint.key"), 31);
  await t.rejects(Coordinator.open(await options(first.folder)), { code: "FILE_UNREADABLE" });
  const second = await Federation.open(t);
  await second.close();
  await t.rejects(Coordinator.open(await options(second.folder, { origin: "example.org/other" })), {
    code: "LEDGER_CORRUPT",
  });
});

t.test(
  "a policy is published once, and again when what it says has changed; then everyone is asked anew",
  async (t) => {
    const folder = temporaryFolder(t);
    const first = await Federation.open(t, { dataDir: folder });
    const device = await RawDevice.enter(first.transport);
    await first.close();
    const same = await Federation.open(t, { dataDir: folder });
    t.equal((await same.entries("policy.publish")).length, 1);
    t.equal(same.coordinator.ledger.view.permits(device.subject, PURPOSE), true);
    await same.close();
    const changed = await Federation.open(t, { dataDir: folder, plan: { controller: "Another University" } });
    t.same(
      (await changed.entries("policy.publish")).map(({ body }) => [body.policy, body.controller]),
      [
        [1, "Example University"],
        [2, "Another University"],
      ],
    );
    t.equal(changed.coordinator.ledger.view.status(device.subject, PURPOSE).state, "expired");
    t.same((await changed.audit()).findings, []);
  },
);

t.test("closing twice, or before anything was driven, is harmless", async (t) => {
  const coordinator = await Coordinator.open(await options(temporaryFolder(t)));
  await coordinator.close();
  await t.resolves(coordinator.close());
});
