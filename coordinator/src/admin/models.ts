import * as z from "zod";
import type { ModelsTable } from "../store/database.js";
import type { AdminDependencies } from "./dependencies.js";
import { pageFrom, pageOf, pageQuery, readCursor } from "./page.js";
import type { ZodRoutes } from "./zod-routes.js";

const modelSchema = z
  .object({
    population: z.string(),
    round: z.int().describe("that made it; 0 for the model before any round"),
    sha256: z.string().describe("of its safetensors file, base64url as in the ledger"),
    createdMs: z.int(),
    bytes: z.int().nullable().describe("of its file; null where that is gone"),
  })
  .meta({ id: "Model" });

const place = z.tuple([z.string(), z.int()]);

/** Models that rounds have released. */
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
        querystring: z.object({ population: z.string().max(63).optional(), ...pageQuery }),
        response: { 200: pageOf(modelSchema) },
      },
    },
    async (request) => {
      const { limit, cursor, population } = request.query;
      const visible = [...populations.all()].map(({ name }) => name).filter((name) => maySee(request, name));
      const rows = await readModels(deps, visible, population, readCursor(cursor, place), limit + 1);
      return pageFrom(rows, limit, (model) => [model.population, model.round]);
    },
  );
}

async function readModels(
  deps: AdminDependencies,
  visible: readonly string[],
  population: string | undefined,
  after: readonly [string, number] | undefined,
  limit: number,
) {
  if (visible.length === 0) return [];
  let query = deps.store.db
    .selectFrom("models")
    .selectAll()
    .where("population", "in", [...visible])
    .orderBy("population")
    .orderBy("round", "desc")
    .limit(limit);
  if (population !== undefined) query = query.where("population", "=", population);
  if (after !== undefined) {
    const [name, round] = after;
    query = query.where((is) =>
      is.or([is("population", ">", name), is.and([is("population", "=", name), is("round", "<", round)])]),
    );
  }
  return Promise.all((await query.execute()).map((row) => resource(deps, row)));
}

async function resource({ artifacts }: AdminDependencies, row: ModelsTable) {
  return {
    population: row.population,
    round: row.round,
    sha256: Buffer.from(row.sha256).toString("base64url"),
    createdMs: row.created_ms,
    bytes: (await artifacts.size(row.sha256)) ?? null,
  };
}
