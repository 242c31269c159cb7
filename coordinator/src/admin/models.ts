import { wholeShare } from "@fedloop/consent";
import type { FastifyReply, FastifyRequest } from "fastify";
import * as z from "zod";
import "../access/require-role.js";
import { CoordinatorError } from "../errors.js";
import { readLineage } from "../models/lineage.js";
import { moveModel, type RegisteredModel, readRegistry } from "../models/model-registry.js";
import type { StageMessage } from "../models/stages.js";
import { MODEL_STAGES } from "../store/operations-tables.js";
import type { AdminDependencies } from "./dependencies.js";
import { idempotencyHeaders, once } from "./idempotency.js";
import { pageFrom, pageOf, pageQuery, readCursor } from "./page.js";
import type { ZodRoutes } from "./zod-routes.js";

interface ModelResource {
  readonly population: string;
  readonly round: number;
  readonly sha256: string;
  readonly stage: RegisteredModel["stage"];
  readonly sharePercent: number | null;
  readonly sinceMs: number;
  readonly bytes: number | null;
}

const modelSchema: z.ZodType<ModelResource> = z
  .object({
    population: z.string(),
    round: z.int().describe("that made it"),
    sha256: z.string().describe("of its safetensors file, base64url as in the ledger"),
    stage: z.enum(MODEL_STAGES),
    sharePercent: z.number().nullable().describe("of devices, while it is a canary"),
    sinceMs: z.int().describe("since when it is in this stage"),
    bytes: z.int().nullable().describe("of its file; null where that is gone"),
  })
  .meta({ id: "Model" });

const entrySchema = z
  .object({ index: z.int(), hash: z.string().describe("leaf hash, base64url") })
  .meta({ id: "EntryPlace" });

const lineageSchema = z
  .object({
    model: modelSchema,
    lineage: z.object({
      plan: entrySchema.nullable(),
      debit: entrySchema.nullable(),
      release: entrySchema.nullable(),
      close: entrySchema.nullable(),
      stages: z.array(entrySchema).readonly().describe("changes of who gets it, oldest first"),
      modelIn: z.string().nullable().describe("the model that the round began with"),
    }),
  })
  .meta({ id: "ModelWithLineage" });

type Moved = z.output<typeof movedSchema>;

type StageMove = Exclude<StageMessage, { readonly type: "released" }>;

const movedSchema = z
  .object({
    changed: z
      .array(z.object({ round: z.int(), stage: z.enum(MODEL_STAGES), sharePercent: z.number().nullable() }))
      .describe("models whose stage is another than before"),
  })
  .meta({ id: "MovedModels" });

const place = z.tuple([z.string(), z.int()]);
const modelName = z.object({ population: z.string().max(63), round: z.coerce.number().int().min(1) });

/** Models that rounds have released: where they come from, and which devices get. */
export function addModels(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, maySee, populations } = deps;
  app.get(
    "/models",
    {
      onRequest: guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "listModels",
        summary: "Models of all populations, by population, the newest first",
        tags: ["models"],
        querystring: z.object({
          population: z.string().max(63).optional(),
          stage: z.enum(MODEL_STAGES).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(modelSchema) },
      },
    },
    async (request) => {
      const { limit, cursor, population, stage } = request.query;
      const after = readCursor(cursor, place);
      const names = [...populations.all()]
        .map(({ name }) => name)
        .filter((name) => maySee(request, name) && (population === undefined || name === population))
        .sort();
      const found: ModelResource[] = [];
      for (const name of names) {
        if (after !== undefined && name < after[0]) continue;
        for (const model of (await readRegistry(deps.store.db, name)).reverse()) {
          if (found.length > limit) break;
          if (after !== undefined && name === after[0] && model.round >= after[1]) continue;
          if (stage === undefined || model.stage === stage) found.push(await resource(deps, name, model));
        }
      }
      return pageFrom(found, limit, (model) => [model.population, model.round]);
    },
  );
  app.get(
    "/populations/:population/models/:round",
    {
      onRequest: guard({ role: "viewer" }),
      schema: {
        operationId: "getModel",
        summary: "One model, and its lineage back to the plan",
        tags: ["models"],
        params: modelName,
        response: { 200: lineageSchema },
      },
    },
    async ({ params: { population, round } }) => ({
      model: await read(deps, population, round),
      lineage: await readLineage(deps.store.db, population, round),
    }),
  );
  app.post(
    "/populations/:population/models/:round/promote",
    {
      onRequest: guard({ role: "operator" }),
      schema: {
        operationId: "promoteModel",
        summary: "Give a model to some devices, or to all",
        tags: ["models"],
        params: modelName,
        headers: idempotencyHeaders,
        body: z.strictObject({
          canaryPercent: z
            .number()
            .min(0.01)
            .max(100)
            .optional()
            .describe("the part of devices that get it, in hundredths of a percent at least; all get it unless given"),
        }),
        response: { 200: movedSchema },
      },
    },
    (request, reply) => {
      const { round } = request.params;
      const { canaryPercent } = request.body;
      const share = Math.round(((canaryPercent ?? 100) / 100) * wholeShare);
      const nowMs = deps.clock.now();
      const message: StageMove =
        canaryPercent === undefined ? { type: "promote", round, nowMs } : { type: "canary", round, share, nowMs };
      return move(deps, request, request.params.population, message, reply);
    },
  );
  app.post(
    "/populations/:population/models/:round/rollback",
    {
      onRequest: guard({ role: "operator" }),
      schema: {
        operationId: "rollBackModel",
        summary: "Take a canary or the live model away, at devices' next fetch; the live model before it is live again",
        tags: ["models"],
        params: modelName,
        headers: idempotencyHeaders,
        body: z.strictObject({}),
        response: { 200: movedSchema },
      },
    },
    (request, reply) => {
      const { population, round } = request.params;
      return move(deps, request, population, { type: "rollback", round, nowMs: deps.clock.now() }, reply);
    },
  );
}

async function move(
  deps: AdminDependencies,
  request: FastifyRequest,
  population: string,
  message: StageMove,
  reply: FastifyReply,
): Promise<Moved> {
  deps.populations.get(population);
  const { status, answer } = await once<Moved>(deps.ledger, deps.clock, request, async (tx) => {
    const changed = await moveModel(tx, population, message);
    return {
      status: 200,
      answer: { changed: changed.map(({ round, stage, share }) => ({ round, stage, sharePercent: percent(share) })) },
    };
  });
  reply.status(status);
  return answer;
}

async function read(deps: AdminDependencies, population: string, round: number): Promise<ModelResource> {
  deps.populations.get(population);
  const model = (await readRegistry(deps.store.db, population)).find((it) => it.round === round);
  if (model !== undefined) return resource(deps, population, model);
  throw new CoordinatorError("NOT_FOUND", `expected a round of ${population} that released a model, came ${round}`);
}

async function resource(
  { artifacts }: AdminDependencies,
  population: string,
  model: RegisteredModel,
): Promise<ModelResource> {
  return {
    population,
    round: model.round,
    sha256: Buffer.from(model.sha256).toString("base64url"),
    stage: model.stage,
    sharePercent: percent(model.share),
    sinceMs: model.sinceMs,
    bytes: (await artifacts.size(model.sha256)) ?? null,
  };
}

function percent(share: number | null): number | null {
  return share === null ? null : (100 * share) / wholeShare;
}
