// Two coordinators and two aggregators on PostgreSQL and NATS, and in every state of a round one fault of what is behind the
// coordinators: an aggregator costs its group at most, the message server the round at most.
import t from "tap";
import { type Fault, liveThrough, STATES } from "../leadership/fault-table.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { NatsServer, withoutNats } from "./nats-server.js";

t.setTimeout(800_000);

/** Eight people in two groups of four. */
const PLAN = {
  cohort: { target: 8, minimum: 4, overSelection: 1 },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 512, bits: 20 },
  secureAggregation: { enabled: true, groupTarget: 4 },
};

const FAULTS: Readonly<Record<string, (nats: NatsServer) => Fault>> = {
  "an aggregator is killed":
    () =>
    async ({ federation, letGo }) => {
      await federation.replaceAggregator(federation.aggregators[0], letGo);
    },
  // Longer than its group is waited for: when it wakes up, all that it was to sum is still on its way to it.
  "an aggregator hangs until its group is given up":
    () =>
    async ({ federation, letGo }) => {
      // Whoever leads: on a busy machine a lease of the test's two seconds may be lost meanwhile.
      const lines = federation.linesFromNow();
      federation.aggregators[0]?.kill("SIGSTOP");
      letGo();
      await lines.next(({ state }) => state === "closed" || state === "abandoned", "the round to end");
      federation.aggregators[0]?.kill("SIGCONT");
    },
  "the message server crashes and comes back":
    (nats) =>
    async ({ letGo }) => {
      await nats.kill();
      letGo();
      await nats.resume();
    },
  "the leader is killed":
    () =>
    async ({ federation, leader, letGo }) => {
      leader.kill();
      await leader.ended();
      letGo();
      await federation.replace(leader);
    },
};

/** Where a fault is tried; in every state unless named. */
const WHERE: Readonly<Record<string, readonly string[]>> = {
  // A leader's end is tried in every state elsewhere; here where its groups are in other processes.
  "the leader is killed": STATES.slice(6, 10),
  // Before its group has come to it, and when it is to take the masks out.
  "an aggregator hangs until its group is given up": ["masked", "unmask"],
};

t.test("in every state of a round", { skip: withoutPostgres() || withoutNats() }, async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.close());
  for (const [name, fault] of Object.entries(FAULTS)) {
    t.test(name, async (t) => {
      const nats = await NatsServer.start();
      t.teardown(() => nats.close());
      const values = [1, 2, 4, 8, 16, 32, 64, 128];
      // Of each group's four one may be late, and a group may be lost.
      const members = [4, 5, 6, 7, 8];
      await liveThrough(t, {
        postgres,
        nats,
        plan: PLAN,
        values,
        members,
        states: WHERE[name] ?? STATES,
        fault: fault(nats),
      });
    });
  }
});
