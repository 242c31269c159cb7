import type { FastifyPluginAsync } from "fastify";
import * as z from "zod";
import { rememberedAnswers } from "../analytics/remembered-answers.js";
import { addAlerts } from "./alerts.js";
import { addAnswers } from "./analytics/answers.js";
import { addDrift } from "./analytics/drift.js";
import { addExperiments } from "./analytics/experiments.js";
import { API_PREFIX } from "./api-prefix.js";
import type { AdminDependencies } from "./dependencies.js";
import { addLedger } from "./ledger.js";
import { addModels } from "./models.js";
import { describeRoutes } from "./openapi.js";
import { addOperations } from "./operations.js";
import { addPopulations } from "./populations.js";
import { tellProblems } from "./problem.js";
import { addRounds } from "./rounds.js";
import { addWebhooks } from "./webhooks.js";
import { withZod } from "./zod-routes.js";

/** Of this interface, in its document. */
const API_VERSION = "1.0.0";

/** The API for operators, auditors and dashboards, under `/api/v1`. */
export function adminApi(deps: AdminDependencies): FastifyPluginAsync {
  return async (root) => {
    await root.register(
      async (scope) => {
        tellProblems(scope, deps.onFault);
        const document = await describeRoutes(scope, API_VERSION);
        const app = withZod(scope);
        app.addHook("onSend", async (request, reply) => {
          reply.header("cache-control", "no-store").header("x-request-id", request.id);
        });
        addPopulations(app, deps);
        addRounds(app, deps);
        addModels(app, deps);
        addLedger(app, deps);
        const analytics = { ...deps, answersOf: rememberedAnswers(deps) };
        addAlerts(app, analytics);
        addOperations(app, deps);
        addWebhooks(app, deps);
        addAnswers(app, analytics);
        addExperiments(app, analytics);
        addDrift(app, analytics);
        app.get(
          "/openapi.json",
          { schema: { operationId: "getOpenApi", summary: "This document", response: { 200: z.looseObject({}) } } },
          async () => document() as Record<string, unknown>,
        );
      },
      { prefix: API_PREFIX },
    );
  };
}
