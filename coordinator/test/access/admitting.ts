// A thread that lets devices in by an invitation, and says how many.
import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { Invitations } from "../../src/access/invitations.js";
import { openAccess } from "../../src/access/open-access.js";
import type { StoragePlaces } from "../../src/server/storage.js";
import { manualClock } from "../ledger/fixture.js";

const { place, invitation, devices } = workerData as { place: StoragePlaces; invitation: string; devices: number };
const store = await openAccess(place);
const invitations = new Invitations(store, manualClock());
const admit = () => invitations.admit(invitation, "lecturers", randomBytes(32));
const outcomes = await Promise.allSettled(Array.from({ length: devices }, admit));
for (const outcome of outcomes) {
  if (outcome.status === "rejected" && outcome.reason.code !== "TOKEN_USED") throw outcome.reason;
}
await store.close();
parentPort?.postMessage(outcomes.filter(({ status }) => status === "fulfilled").length);
