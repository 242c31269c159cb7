import t from "tap";
import { roundBooks, SecureDevice, securePlan } from "./secure-rounds.js";
import { ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

t.test(
  "devices killed in mid-round, each a process of its own, cost the sum nothing but their own updates",
  async (t) => {
    const config = writeConfiguration(temporaryFolder(t), securePlan({ target: 7, minimum: 5 }, "8s"));
    const server = new ServeProcess(t, config);
    const { address } = await server.listening();
    const unsent = new SecureDevice(t, address, 1, "submitMasked");
    const silent = new SecureDevice(t, address, 2, "unmask");
    const others = [3, 4, 5, 6, 7].map((value) => new SecureDevice(t, address, value));
    await unsent.standing();
    await unsent.kill();
    await silent.standing();
    await silent.kill();
    t.match(await server.line(({ event }) => event === "finished"), { why: "rounds-done" });
    for (const device of others) {
      t.equal(await device.exit(), 0, device.log);
      t.ok(device.hasAccepted(1));
    }
    server.child.kill("SIGTERM");
    t.equal(await server.exit(), 0, server.log);
    const { subjects, model } = await roundBooks(config, 1);
    t.same(subjects, (await Promise.all([silent, ...others].map((device) => device.subject()))).sort());
    t.equal(model, Math.fround((2 + 3 + 4 + 5 + 6 + 7) / 7));
  },
);
