// A thread that lets devices in by an invitation, and says how many.
import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { openAccessStore } from "../../src/access/access-store.js";
import { Invitations } from "../../src/access/invitations.js";
import { manualClock } from "../ledger/fixture.js";

const { path, invitation, devices } = workerData as { path: string; invitation: string; devices: number };
const store = await openAccessStore(path);
const invitations = new Invitations(store, manualClock());
const admit = () => invitations.admit(invitation, "lecturers", randomBytes(32));
const outcomes = await Promise.allSettled(Array.from({ length: devices }, admit));
for (const outcome of outcomes) {
  if (outcome.status === "rejected" && outcome.reason.code !== "TOKEN_USED") throw outcome.reason;
}
await store.close();
parentPort?.postMessage(outcomes.filter(({ status }) => status === "fulfilled").length);
