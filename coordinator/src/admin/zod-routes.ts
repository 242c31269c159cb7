import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type * as z from "zod";
import { CoordinatorError } from "../errors.js";

/** What a route takes and answers, from its zod schemas. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  readonly validator: this["schema"] extends z.ZodType ? z.output<this["schema"]> : unknown;
  readonly serializer: this["schema"] extends z.ZodType ? z.input<this["schema"]> : unknown;
}

/** A group of routes whose schemas are zod's. */
export type ZodRoutes = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

const PART: Readonly<Record<string, string>> = {
  body: "the body",
  params: "the path",
  querystring: "the query",
  headers: "the headers",
};

/**
 * Has a group of routes parse what comes, and what it answers, by zod: a field that the answer's schema does not have is
 * never sent, so that the document made of the schemas says all.
 */
export function withZod(app: FastifyInstance): ZodRoutes {
  const typed = app.withTypeProvider<ZodTypeProvider>();
  typed.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => (value: unknown) => {
    const parsed = schema.safeParse(value);
    return parsed.success
      ? { value: parsed.data }
      : { error: refused(PART[httpPart ?? ""] ?? "the request", parsed.error) };
  });
  typed.setSerializerCompiler<z.ZodType>(
    ({ schema }) =>
      (value: unknown) =>
        JSON.stringify(schema.parse(value)),
  );
  return typed;
}

function refused(part: string, { issues }: z.ZodError): CoordinatorError {
  const told = issues
    .slice(0, 3)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`));
  return new CoordinatorError("BAD_REQUEST", `expected ${part} as docs/openapi.json has it: ${told.join("; ")}`);
}
