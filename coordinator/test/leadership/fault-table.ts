// One federation that lives through a fault in every state of a round; what holds of it at the end, whatever happened.
import { ROUND_STATES, type RoundStateName } from "@fedloop/proto";
import type { Test } from "tap";
import type { NatsServer } from "../messaging/nats-server.js";
import type { PlanChanges } from "../server/plans.js";
import type { PostgresServer } from "../store/postgres-server.js";
import type { SharedProcess } from "./coordinator-process.js";
import { SharedFederation } from "./shared-federation.js";

/** All in which a round can be held: one that is abandoned is held nowhere. */
export const STATES: readonly RoundStateName[] = ROUND_STATES.filter((state) => state !== "abandoned");

/** More than the table needs: rounds go on while a process is started. */
const MANY = 1_000;
const LEASE_MS = 2_000;

/** A round's leader is held in a state. */
export interface Moment {
  readonly federation: SharedFederation;
  readonly leader: SharedProcess;
  letGo(): void;
}

export type Fault = (moment: Moment) => Promise<void>;

export interface Course {
  readonly postgres: PostgresServer;
  readonly nats?: NatsServer;
  readonly plan: PlanChanges;
  /** What the participants train to: binary digits, so that any sum says whose values are in it, and how often. */
  readonly values: readonly number[];
  /** Members that a completed round may have. */
  readonly members: readonly number[];
  readonly states: readonly string[];
  readonly fault: Fault;
}

export async function liveThrough(t: Test, course: Course): Promise<void> {
  const { postgres, nats, plan, values, states, fault } = course;
  const options = { rounds: MANY, leaseMs: LEASE_MS, plan, ...(nats === undefined ? {} : { nats }) };
  const federation = await SharedFederation.start(t, postgres, options);
  federation.takePart(values);
  for (const state of states) {
    const { leader, round, letGo } = await federation.leaderAt(state);
    await fault({ federation, leader, letGo });
    t.comment(`round ${round}: ${state}`);
  }
  const events = await federation.stopAfterRound();
  const { report, rounds, model } = await federation.books();
  t.same(report.findings, [], "the auditor finds nothing: no gap, no fork, every debit and release in its place");
  t.ok(rounds.some(({ state }) => state === "closed"));
  // The one that was under way when the coordinators were stopped goes on when they are started again.
  const underWay = rounds.findIndex(({ state }) => state !== "closed" && state !== "abandoned");
  t.ok(underWay === -1 || underWay === rounds.length - 1);
  for (const { state, reason, members } of rounds.slice(0, underWay === -1 ? undefined : underWay)) {
    if (state === "closed") t.ok(reason === null && course.members.includes(members), `closed with ${members}`);
    else t.match({ state, reason, members }, { state: "abandoned", reason: /^[A-Z_]+$/, members: 0 });
  }
  const released = rounds.filter(({ hasModel }) => hasModel);
  const total = released.reduce((sum, round) => sum + round.sum / values.length, 0);
  t.equal(model, total, "every participant is once in the sum of each round that it is listed in, and in no other");
  for (const each of events) {
    const accepted = each.flatMap((event) => (event.type === "accepted" ? [event.round] : []));
    t.equal(new Set(accepted).size, accepted.length, "no device handed in twice for a round");
  }
}
