import swagger from "@fastify/swagger";
import type { FastifyInstance, FastifySchema } from "fastify";
import * as z from "zod";
import { PROBLEM_TYPE, problemSchema } from "./problem.js";

type Json = Record<string, unknown>;

/** A zod schema as JSON Schema (draft 2020-12, which OpenAPI 3.1 has); named parts go to `components`. */
function jsonSchema(schema: unknown, io: "input" | "output", components: Map<string, unknown>): Json {
  if (!(schema instanceof z.ZodType)) throw new TypeError("expected a route whose schemas are zod's");
  // Within another schema a named one becomes a reference, as everywhere else.
  const { properties, $defs } = z.toJSONSchema(z.object({ it: schema }), { io, target: "draft-2020-12" });
  for (const [name, part] of Object.entries($defs ?? {})) components.set(name, referring(part));
  return referring(properties?.it) as Json;
}

function referring(part: unknown): unknown {
  return JSON.parse(JSON.stringify(part).replaceAll('"#/$defs/', '"#/components/schemas/'), (key, value) =>
    key === "id" && typeof value === "string" ? undefined : value,
  );
}

/**
 * Makes the OpenAPI document of the routes that are added to a group after this.
 *
 * @returns the document, once all routes are there
 */
export async function describeRoutes(app: FastifyInstance, version: string): Promise<() => unknown> {
  const components = new Map<string, unknown>();
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "fedloop coordinator",
        description:
          "How a coordinator's populations, rounds, models and ledger stand, and what an operator may do about them. " +
          "Errors are problems (RFC 9457) with closed codes. Every POST takes an Idempotency-Key: the same key with the " +
          "same body has one effect and gets the same answer again.",
        version,
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    stripBasePath: false,
    convertConstToEnum: false,
    transform: ({ schema, url }) => ({ url, schema: described(schema, components) }),
  });
  return () => {
    const document = JSON.parse(JSON.stringify(app.swagger())) as Json & { components: Json };
    const schemas = Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1)));
    return { ...document, components: { ...document.components, schemas } };
  };
}

function described(schema: FastifySchema, components: Map<string, unknown>): FastifySchema {
  const { body, params, querystring, headers, response, ...rest } = schema;
  const input = (part: unknown): Json => jsonSchema(part, "input", components);
  const answers = Object.entries((response ?? {}) as Json).map(([status, answer]) => [
    status,
    { ...jsonSchema(answer, "output", components), description: "the answer" },
  ]);
  const problem = jsonSchema(problemSchema, "output", components);
  return {
    ...rest,
    ...(body === undefined ? {} : { body: input(body) }),
    ...(params === undefined ? {} : { params: input(params) }),
    ...(querystring === undefined ? {} : { querystring: input(querystring) }),
    ...(headers === undefined ? {} : { headers: input(headers) }),
    response: {
      ...Object.fromEntries(answers),
      default: { description: "a problem", content: { [PROBLEM_TYPE]: { schema: problem } } },
    },
  };
}
