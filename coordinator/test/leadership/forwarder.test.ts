import { METADATA } from "@fedloop/proto";
import { ChannelCredentials } from "@grpc/grpc-js";
import t from "tap";
import { Forwarder, type ForwarderOptions } from "../../src/leadership/forwarder.js";

t.test("coordinators that are replaced for months leave no channels behind", async (t) => {
  let now = 0;
  let leader = 0;
  const device = { population: "lecturers" };
  const forwarder = new Forwarder({
    leases: {
      holder: "me",
      intervalMs: 3_600_000,
      leader: async () => ({ holder: `h${leader}`, address: `127.0.0.1:${leader + 1}` }),
    },
    registry: { find: async () => device },
    credentials: ChannelCredentials.createInsecure(),
    secret: new Uint8Array(32),
    leads: () => false,
    monotonic: { now: () => now },
  } as unknown as ForwarderOptions);
  t.teardown(() => forwarder.close());
  for (leader = 0; leader < 100; leader++) {
    t.ok(await forwarder.leaderFor((name) => (name === METADATA.device ? "d" : undefined)));
    now += 1_000;
  }
  t.ok(forwarder.channels <= 2, `${forwarder.channels} channels`);
});
