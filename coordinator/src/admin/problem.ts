import { STATUS_CODES } from "node:http";
import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { httpFailure } from "../http/http-status.js";

/** An error as the API tells it (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What was expected, what came, what to do. */
  readonly detail: string;
  /** One of the coordinator's error codes: for programs. */
  readonly code: string;
  /** The id under which the request stands in the coordinator's log. */
  readonly requestId: string;
}

export const problemSchema: z.ZodType<Problem> = z
  .object({
    type: z.string().describe("urn:fedloop:problem: and the code"),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe("what was expected, what came, what to do"),
    code: z.string().describe("a stable code, for programs: docs/operations.md and docs/protocol.md list all"),
    requestId: z.string().describe("under which the request stands in the coordinator's log"),
  })
  .meta({ id: "Problem" });

export const PROBLEM_TYPE = "application/problem+json";

/** Has a group of routes tell its errors as problems. */
export function tellProblems(app: FastifyInstance, onFault: (where: string, cause: unknown) => void): void {
  const problem = (code: string, status: number, detail: string, requestId: string): Problem => ({
    type: `urn:fedloop:problem:${code}`,
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail,
    code,
    requestId,
  });
  app.setErrorHandler((cause, request, reply) => {
    const { status, told, code, message, retryAfterSeconds } = httpFailure(cause);
    if (!told) onFault(`${request.method} ${request.routeOptions.url ?? ""} (request ${request.id})`, cause);
    if (retryAfterSeconds > 0) reply.header("retry-after", retryAfterSeconds);
    return reply
      .status(status)
      .type(PROBLEM_TYPE)
      .serializer(JSON.stringify)
      .send(problem(code, status, message, request.id));
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .status(404)
      .type(PROBLEM_TYPE)
      .send(
        problem("NOT_FOUND", 404, "expected a path of this API, came another; see /api/v1/openapi.json", request.id),
      ),
  );
}
