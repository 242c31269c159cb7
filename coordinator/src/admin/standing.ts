import { readUnverifiedCheckpoint } from "@fedloop/consent";
import type { Standing } from "../metrics/prometheus.js";
import type { AdminDependencies } from "./dependencies.js";
import { countDevices, roundsByState } from "./populations.js";
import { readProgress } from "./progress.js";
import { readRounds } from "./rounds.js";

/** How things stand now, for metrics. */
export async function readStanding(deps: AdminDependencies): Promise<Standing> {
  const { store, ledger, publisher } = deps;
  const populations = await Promise.all(
    [...deps.populations.all()].map(async (live) => {
      const { name, hub, schedule } = live;
      const { pause, failures, spent } = await readProgress(store, live);
      const [newest] = await readRounds(deps, { population: name }, 1);
      return {
        population: name,
        devices: await countDevices(deps, name),
        watchers: hub.watchers,
        roundsByState: await roundsByState(deps, name),
        isPaused: pause !== null,
        failures,
        participants: newest?.participants ?? {},
        epsilonSpent: spent,
        // Without a cap nothing is left, and nothing is missing: both are infinite.
        epsilonCap: schedule.cap.epsilon === Number.POSITIVE_INFINITY ? spent : schedule.cap.epsilon,
      };
    }),
  );
  const { pending } = await store.db
    .selectFrom("webhook_deliveries")
    .select(({ fn }) => fn.countAll<number>().as("pending"))
    .where("state", "=", "pending")
    .executeTakeFirstOrThrow();
  return {
    populations,
    ledgerEntries: ledger.size,
    ledgerPublished: readUnverifiedCheckpoint(publisher.checkpoint()).size,
    webhooksPending: Number(pending),
    isDraining: deps.drain.isDraining(),
  };
}
