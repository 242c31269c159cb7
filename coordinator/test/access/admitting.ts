// Lets devices in by an invitation, and says how many. As a thread of its own where it is started as one.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { type AccessStore, openAccessStore } from "../../src/access/access-store.js";
import { Invitations } from "../../src/access/invitations.js";
import { manualClock } from "../ledger/fixture.js";

interface Admitting {
  /** Of an SQLite file. */
  readonly path: string;
  readonly invitation: string;
  readonly devices: number;
}

export async function admit(store: AccessStore, invitation: string, devices: number): Promise<number> {
  const invitations = new Invitations(store, manualClock());
  const outcomes = await Promise.allSettled(
    Array.from({ length: devices }, () => invitations.admit(invitation, "lecturers", randomBytes(32))),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected" && outcome.reason.code !== "TOKEN_USED") throw outcome.reason;
  }
  return outcomes.filter(({ status }) => status === "fulfilled").length;
}

/** In a thread: within one, a connection to an SQLite file that waits for another would wait for itself. */
export async function admitInThread(work: Admitting): Promise<number> {
  const thread = new Worker(new URL(import.meta.url), { workerData: { admitting: work } });
  return Number((await once(thread, "message"))[0]);
}

const { admitting } = (workerData ?? {}) as { readonly admitting?: Admitting };
if (admitting !== undefined) {
  await using store = await openAccessStore(admitting.path);
  parentPort?.postMessage(await admit(store, admitting.invitation, admitting.devices));
}
