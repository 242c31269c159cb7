import type { FastifyPluginAsync } from "fastify";
import { sql } from "kysely";
import type { AdminDependencies } from "../admin/dependencies.js";
import { readStanding } from "../admin/standing.js";
import { rememberedAnswers } from "../analytics/remembered-answers.js";
import type { PrometheusMetrics } from "../metrics/prometheus.js";

/** How long the store may take to answer before the coordinator counts as not ready, milliseconds. */
const STORE_MS = 2_000;

/**
 * `/healthz`: the process answers. `/readyz`: it takes devices: the store answers, and it is not draining. Both open to
 * everyone, and telling no more than that. `/metrics` in Prometheus' format, for who has a viewer's token.
 */
export function operationsRoutes(deps: AdminDependencies, metrics: PrometheusMetrics): FastifyPluginAsync {
  const answersOf = rememberedAnswers(deps);
  return async (app) => {
    app.addHook("onSend", async (_request, reply) => {
      reply.header("cache-control", "no-store");
    });
    app.get("/healthz", async () => ({ status: "alive" }));
    app.get("/readyz", async (_request, reply) => {
      const status = deps.drain.isDraining() ? "draining" : (await isAnswering(deps)) ? "ready" : "store-unreachable";
      return reply.status(status === "ready" ? 200 : 503).send({ status });
    });
    app.get("/metrics", { onRequest: deps.guard({ role: "viewer", scope: "param" }) }, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.text(await readStanding(deps, answersOf))),
    );
  };
}

async function isAnswering({ store }: AdminDependencies): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), STORE_MS);
  });
  const asked = sql`select 1`.execute(store.db).then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
