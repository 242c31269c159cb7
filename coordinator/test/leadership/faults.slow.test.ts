// Two coordinators on one PostgreSQL database, and in every state of a round one fault: each round ends right or is abandoned
// with a reason, nobody is counted twice, and the log has no gap.
import t from "tap";
import { secureExact } from "../server/plans.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { type Fault, liveThrough, type Moment, STATES } from "./fault-table.js";

t.setTimeout(800_000);

/** Lets the round go on, and waits until a coordinator drives rounds that did not before. */
async function anotherLeads({ federation, leader, letGo }: Moment): Promise<void> {
  const others = federation.linesFromNow((each) => each !== leader);
  letGo();
  await others.next(({ state }) => state !== undefined, "another leader's round");
}

/** Where a fault is tried; in every state unless named. */
const WHERE: Readonly<Record<string, readonly string[]>> = {
  // Who does not lead only passes calls on: its end matters where devices wait for an answer.
  "the other coordinator is killed": STATES.slice(2, 9),
  // For the others it is a leader that was cut off. Here counts what it does when it wakes up: before and after the noise.
  "the leader hangs until another one leads": ["unmask", "released"],
};

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
  "the leader is cut off from the database until another one leads": () => async (moment) => {
    moment.leader.wire.cut();
    await anotherLeads(moment);
    moment.leader.wire.mend();
  },
  // As a machine that is suspended: its connections stay, it learns of nothing, and goes on where it was when it wakes up.
  "the leader hangs until another one leads": () => async (moment) => {
    moment.leader.kill("SIGSTOP");
    await anotherLeads(moment);
    moment.leader.kill("SIGCONT");
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
    const values = [1, 2, 4, 8];
    const course = {
      postgres,
      plan: secureExact(4),
      values,
      members: [4],
      states: WHERE[name] ?? STATES,
      fault: fault(postgres),
    };
    t.test(name, (t) => liveThrough(t, course));
  }
});
