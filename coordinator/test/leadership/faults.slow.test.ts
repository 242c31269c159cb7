// Two coordinators on one PostgreSQL database, and in every state of a round one fault: each round ends right or is abandoned
// with a reason, nobody is counted twice, and the log has no gap. One federation lives through a whole table.
import t, { type Test } from "tap";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { SharedFederation, type SharedProcess } from "./shared-federation.js";

t.setTimeout(800_000);

const STATES = [
  "planned",
  "reserved",
  "selecting",
  "configured",
  "keys",
  "shares",
  "masked",
  "consistency",
  "unmask",
  "aggregated",
  "debited",
  "released",
  "closed",
] as const;

/** Binary digits: any sum says whose values are in it, and how often. */
const VALUES = [1, 2, 4, 8];
const MEAN = VALUES.reduce((sum, value) => sum + value, 0) / VALUES.length;
const LEASE_MS = 2_000;
/** More than the table needs: rounds go on while a coordinator is started. */
const MANY = 1_000;

interface Moment {
  readonly federation: SharedFederation;
  readonly postgres: PostgresServer;
  readonly leader: SharedProcess;
  letGo(): void;
}

/** What happens while the round's leader is held in a state. */
const FAULTS: Readonly<Record<string, (moment: Moment) => Promise<void>>> = {
  "the leader is killed": async ({ federation, leader, letGo }) => {
    leader.kill();
    await leader.ended();
    letGo();
    await federation.replace(leader);
  },
  "the other coordinator is killed": async ({ federation, leader, letGo }) => {
    const other = federation.processes.find((each) => each !== leader && !each.hasEnded);
    if (other !== undefined) await federation.replace(other);
    letGo();
  },
  "the leader is cut off from the database until another one leads": async ({ federation, leader, letGo }) => {
    leader.wire.cut();
    const others = federation.processes.filter((each) => each !== leader && !each.hasEnded);
    const from = new Map(others.map((each) => [each, each.lines.length]));
    letGo();
    await Promise.race(others.map((each) => each.line(({ state }) => state !== undefined, from.get(each))));
    leader.wire.mend();
  },
  "the database crashes and comes back": async ({ postgres, letGo }) => {
    await postgres.kill();
    letGo();
    await postgres.resume();
  },
};

async function through(t: Test, fault: string, states: readonly string[], postgres: PostgresServer): Promise<void> {
  const federation = await SharedFederation.start(t, postgres, { rounds: MANY, leaseMs: LEASE_MS });
  federation.takePart(VALUES);
  for (const state of states) {
    const { leader, round, letGo } = await federation.leaderAt(state);
    await FAULTS[fault]?.({ federation, postgres, leader, letGo });
    t.comment(`round ${round}: ${state}`);
  }
  const events = await federation.stopAfterRound();
  const { report, rounds, model } = await federation.books();
  t.same(report.findings, [], "the auditor finds nothing: no gap, no fork, every debit and release in its place");
  const closed = rounds.filter(({ state }) => state === "closed");
  t.ok(closed.length > 0);
  // The one that was under way when the coordinators were stopped goes on when they are started again.
  const underWay = rounds.findIndex(({ state }) => state !== "closed" && state !== "abandoned");
  t.ok(underWay === -1 || underWay === rounds.length - 1);
  for (const { state, reason, members } of rounds.slice(0, underWay === -1 ? undefined : underWay)) {
    if (state === "closed") t.same({ reason, members }, { reason: null, members: VALUES.length });
    else t.match({ state, reason, members }, { state: "abandoned", reason: /^[A-Z_]+$/, members: 0 });
  }
  const released = rounds.filter(({ hasModel }) => hasModel).length;
  t.equal(model, released * MEAN, "every participant is in each sum once");
  for (const each of events) {
    const accepted = each.flatMap((event) => (event.type === "accepted" ? [event.round] : []));
    t.equal(new Set(accepted).size, accepted.length, "no device handed in twice for a round");
  }
}

t.test("in every state of a round", { skip: withoutPostgres() }, async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.close());
  for (const fault of Object.keys(FAULTS)) {
    // Who does not lead only passes calls on: its end matters where devices wait for an answer.
    const states = fault === "the other coordinator is killed" ? STATES.slice(2, 9) : STATES;
    t.test(fault, (t) => through(t, fault, states, postgres));
  }
});
