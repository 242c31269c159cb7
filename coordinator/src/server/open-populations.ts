import { aesCtrRandom } from "@fedloop/privacy/node";
import { MaskPool } from "@fedloop/privacy/secagg/node";
import type { ContentStore } from "../models/content-store.js";
import { initialParameters } from "../models/initial-model.js";
import { encodeSafetensors } from "../models/safetensors.js";
import type { LoadedPlan } from "../plan/load.js";
import { buildSchedule } from "../rounds/build-schedule.js";
import { Population } from "../rounds/population.js";
import { Populations } from "../rounds/populations.js";
import { DEFAULT_ROUND_RETRIES } from "../rounds/retries.js";
import type { Store } from "../store/database.js";
import type { Books } from "./books.js";
import type { CoordinatorKeys } from "./keys.js";
import type { Observation } from "./observation.js";
import type { CoordinatorOptions } from "./options.js";
import { type Policy, publishPolicy } from "./policies.js";

export interface OpenPopulations {
  readonly populations: Populations;
  /** By population. */
  readonly policies: ReadonlyMap<string, Policy>;
  /** Ends the threads that took masks off, if a round needed any. */
  closeUnmaskEngine(): Promise<void>;
}

/** Publishes each plan's policy and makes its population ready to be driven. */
export async function openPopulations(
  options: CoordinatorOptions,
  keys: CoordinatorKeys,
  books: Books,
  { watch, onNotice, onPausing, onPaused }: Observation,
): Promise<OpenPopulations> {
  const { ledger, store, artifacts, registry, verifier, messaging } = books;
  let pool: MaskPool | undefined;
  // Threads are started by the first round that needs them, once for all.
  const unmaskEngine = (): MaskPool => {
    pool ??= new MaskPool();
    return pool;
  };
  const policies = new Map<string, Policy>();
  const list: Population[] = [];
  for (const loaded of options.plans) {
    const policy = await publishPolicy(ledger, loaded, keys.operator.publicKey);
    policies.set(loaded.plan.population, policy);
    const schedule = buildSchedule(loaded.plan, policy.version);
    const initialModel = await initialise(store, artifacts, loaded, options.clock);
    const random = aesCtrRandom();
    list.push(
      new Population(
        {
          ...options,
          onNotice,
          onPausing,
          onPaused,
          retries: options.retries ?? DEFAULT_ROUND_RETRIES,
          ledger,
          store,
          artifacts,
          registry,
          verifier,
          random,
          unmaskEngine,
          assignGroup: messaging && ((parameters) => messaging.aggregators.assign(parameters)),
          noiseKey: keys.noise,
          untilDue: (trained, signal) => watch.untilDue(loaded.plan.watch, trained, signal),
        },
        schedule,
        initialModel,
      ),
    );
  }
  return { populations: new Populations(list), policies, closeUnmaskEngine: async () => pool?.close() };
}

/** The population's row and the model before any round. */
async function initialise(
  store: Store,
  artifacts: ContentStore,
  { plan }: LoadedPlan,
  clock: { now(): number },
): Promise<Uint8Array> {
  await store.db
    .insertInto("populations")
    .values({ name: plan.population, plan: JSON.stringify(plan), state: "running", created_ms: clock.now() })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ plan: JSON.stringify(plan) }))
    .execute();
  const { tensors } = plan.model;
  const model = await artifacts.put(
    encodeSafetensors({
      tensors,
      parameters: initialParameters(plan),
      metadata: { population: plan.population, round: "0" },
    }),
  );
  await store.db
    .insertInto("models")
    .values({ sha256: model, population: plan.population, round: 0, created_ms: clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return model;
}
