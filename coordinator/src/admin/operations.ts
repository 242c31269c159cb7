import { setTimeout as wait } from "node:timers/promises";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { pausePopulation, resumePopulation } from "../rounds/pause.js";
import type { AdminDependencies } from "./dependencies.js";
import { idempotencyHeaders, once, onceAround } from "./idempotency.js";
import { readRounds, roundSchema } from "./rounds.js";
import type { ZodRoutes } from "./zod-routes.js";

const population = z.string().max(63);
const pausedSchema = z.object({ population, state: z.enum(["running", "paused"]) }).meta({ id: "PopulationState" });
const drainSchema = z.object({ status: z.literal("draining") }).meta({ id: "Drain" });

/** So long a drain waits until the database has kept that it was asked for, milliseconds. */
const KEEPING_MS = 3_000;

/** What an operator does about rounds: pause and resume a population, give a round up, drain the coordinator. */
export function addOperations(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, populations, ledger, clock } = deps;
  for (const [name, state] of [
    ["pause", "paused"],
    ["resume", "running"],
  ] as const) {
    app.post(
      `/populations/:population/${name}`,
      {
        onRequest: guard({ role: "operator" }),
        schema: {
          operationId: `${name}Population`,
          summary:
            name === "pause"
              ? "Begin no more rounds; the one under way ends"
              : "Begin rounds again, whoever paused the population; abandoned ones are counted anew",
          tags: ["populations"],
          params: z.object({ population }),
          headers: idempotencyHeaders,
          body: z.strictObject({}),
          response: { 200: pausedSchema },
        },
      },
      async (request) => {
        const live = populations.get(request.params.population);
        const { answer } = await once(ledger, clock, request, async ({ db }) => {
          if (state === "paused") await pausePopulation(db, live.name, { reason: "operator", sinceMs: clock.now() });
          else await resumePopulation(db, live.name);
          return { status: 200, answer: { population: live.name, state } };
        });
        await live.readPause();
        return answer;
      },
    );
  }
  app.post(
    "/populations/:population/rounds/:round/abandon",
    {
      onRequest: guard({ role: "operator" }),
      schema: {
        operationId: "abandonRound",
        summary: "Give up a round whose budget is not spent yet; asked again for one given up, nothing more happens",
        tags: ["rounds"],
        params: z.object({ population, round: z.coerce.number().int().min(1) }),
        headers: idempotencyHeaders,
        body: z.strictObject({}),
        response: { 200: roundSchema },
      },
    },
    async (request) => {
      const { params } = request;
      const live = populations.get(params.population);
      const read = () => readRounds(deps, { population: live.name, after: [live.name, params.round + 1] }, 1);
      const isGivenUp = (await read()).some(
        ({ round, reason }) => round === params.round && reason === "OPERATOR_STOPPED",
      );
      const { answer } = await onceAround(ledger, deps.store, clock, request, async () => {
        if (!isGivenUp) await deps.abandonRound(live.name, params.round);
        const [found] = await read();
        if (found?.round === params.round) return { status: 200, answer: found };
        throw new CoordinatorError("NOT_FOUND", `expected a round of ${live.name}, came ${params.round}`);
      });
      return answer;
    },
  );
  app.post(
    "/drain",
    {
      onRequest: guard({ role: "operator", isForEmergencies: true }),
      schema: {
        operationId: "drain",
        summary: "Begin no more rounds, let the ones under way end for a while, then end the process",
        tags: ["coordinator"],
        headers: idempotencyHeaders,
        body: z.strictObject({}),
        response: { 202: drainSchema },
      },
    },
    async (request, reply) => {
      let isFirst = false;
      const done = { status: 202, answer: { status: "draining" } as const };
      const kept = once(ledger, clock, request, async () => {
        isFirst = true;
        return done;
      });
      const answer = await Promise.race([kept, wait(KEEPING_MS, undefined, { ref: false })]).then(
        (known) => {
          // No answer yet: the database is away, which is when one drains. That the request was made cannot be kept then.
          if (known === undefined) isFirst = true;
          return (known ?? done).answer;
        },
        (cause: unknown) => {
          if (cause instanceof CoordinatorError && cause.code === "CONFLICT") throw cause;
          isFirst = true;
          return done.answer;
        },
      );
      kept.catch(() => undefined);
      // The same request sent again, after a start, is not about the process that has started.
      if (isFirst) deps.drain.request();
      return reply.status(202).send(answer);
    },
  );
}
