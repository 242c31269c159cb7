// Two coordinators on one PostgreSQL database, and in every state of a round one fault: each round ends right or is abandoned
// with a reason, nobody is counted twice, and the log has no gap.
import t from "tap";
import { secureExact } from "../server/plans.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { type Fault, liveThrough, STATES } from "./fault-table.js";

t.setTimeout(800_000);

/** What happens while the round's leader is held in a state. */
const FAULTS: Readonly<Record<string, (postgres: PostgresServer) => Fault>> = {
  "the leader is killed":
    () =>
    async ({ federation, leader, letGo }) => {
      leader.kill();
      await leader.ended();
      letGo();
      await federation.replace(leader);
    },
  "the other coordinator is killed":
    () =>
    async ({ federation, leader, letGo }) => {
      const other = federation.processes.find((each) => each !== leader && !each.hasEnded);
      if (other !== undefined) await federation.replace(other);
      letGo();
    },
  "the leader is cut off from the database until another one leads":
    () =>
    async ({ federation, leader, letGo }) => {
      leader.wire.cut();
      const others = federation.processes.filter((each) => each !== leader && !each.hasEnded);
      const from = new Map(others.map((each) => [each, each.lines.length]));
      letGo();
      await Promise.race(others.map((each) => each.line(({ state }) => state !== undefined, from.get(each))));
      leader.wire.mend();
    },
  "the database crashes and comes back":
    (postgres) =>
    async ({ letGo }) => {
      await postgres.kill();
      letGo();
      await postgres.resume();
    },
};

t.test("in every state of a round", { skip: withoutPostgres() }, async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.close());
  for (const [name, fault] of Object.entries(FAULTS)) {
    // Who does not lead only passes calls on: its end matters where devices wait for an answer.
    const states = name === "the other coordinator is killed" ? STATES.slice(2, 9) : STATES;
    const values = [1, 2, 4, 8];
    const course = { postgres, plan: secureExact(4), values, members: [4], states, fault: fault(postgres) };
    t.test(name, (t) => liveThrough(t, course));
  }
});
