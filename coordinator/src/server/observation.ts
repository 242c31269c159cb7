import { driftMessage, Watch } from "../analytics/watch.js";
import type { AnsweredRequest } from "../metrics/metrics.js";
import { PrometheusMetrics } from "../metrics/prometheus.js";
import type { RoundNotice } from "../rounds/engine.js";
import type { DrivingDependencies } from "../rounds/round-driver.js";
import { pausedMessage } from "../webhooks/events.js";
import type { Webhooks } from "../webhooks/webhooks.js";
import type { Books } from "./books.js";
import type { CoordinatorOptions } from "./options.js";

/** Who is told of what happens: the metrics first, then those that the options name. */
export interface Observation {
  readonly metrics: PrometheusMetrics;
  readonly watch: Watch;
  readonly onFault: (where: string, cause: unknown) => void;
  readonly onNotice: (population: string, notice: RoundNotice) => void;
  /** Told within the transaction that pauses a population, and when it is durable. */
  readonly onPausing: NonNullable<DrivingDependencies["onPausing"]>;
  readonly onPaused: NonNullable<DrivingDependencies["onPaused"]>;
  readonly onAnswered: (request: AnsweredRequest) => void;
}

/** @param webhooks what tells subscribers of drift and of pauses */
export function observe(
  options: CoordinatorOptions,
  { ledger, store, artifacts }: Books,
  webhooks: () => Pick<Webhooks, "emit" | "enqueue" | "wake">,
): Observation {
  const { clock } = options;
  const metrics = new PrometheusMetrics(clock);
  const onFault: Observation["onFault"] = (where, cause) => {
    metrics.faulted();
    options.onFault(where, cause);
  };
  const watch = new Watch({
    ledger,
    store,
    artifacts,
    clock,
    plans: options.plans.map(({ plan }) => plan),
    onFault,
    onNotice: async (notice) => {
      options.onWatch?.(notice);
      if (notice.type === "drift") await webhooks().emit("drift.detected", ...driftMessage(notice.report));
    },
  });
  const onNotice = (population: string, notice: RoundNotice): void => {
    metrics.roundEntered(population, notice);
    options.onNotice?.(population, notice);
    if (notice.state === "closed") watch.closed(population);
  };
  const onPausing: Observation["onPausing"] = (db, population, notice) =>
    webhooks().enqueue(db, pausedMessage(population, notice, clock.now()));
  const onPaused: Observation["onPaused"] = (population, notice) => {
    webhooks().wake();
    options.onPaused?.(population, notice);
  };
  const onAnswered = (request: AnsweredRequest): void => {
    metrics.requestAnswered(request);
    options.onAnswered?.(request);
  };
  return { metrics, watch, onFault, onNotice, onPausing, onPaused, onAnswered };
}
