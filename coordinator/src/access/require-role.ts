import type { FastifyRequest, onRequestAsyncHookHandler } from "fastify";
import { CoordinatorError } from "../errors.js";
import type { CallLimiter } from "../limits/call-limits.js";
import { StoreUnreachable } from "../store/store-unreachable.js";
import { type Access, type AccessTokens, ROLES, type Role } from "./access-tokens.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls, once `requireRole` has let the request in. */
    access?: Access;
  }
}

export interface RoleRequirement {
  /** The least role: an operator may all that an auditor may, an auditor all that a viewer may. */
  readonly role: Role;
  /**
   * `param` (unless given): the route's `:population` must be one of the token's, and a route without that parameter is
   * for tokens of all populations only. `handler`: the handler itself keeps to `request.access.populations`, as lists
   * of all populations do.
   */
  readonly scope?: "param" | "handler";
  /** For what has to work while the store of the tokens cannot be reached: an operator's token counts as it was last known. */
  readonly isForEmergencies?: boolean;
  /** How much one token may ask; as much as it likes unless given. */
  readonly limits?: CallLimiter | undefined;
}

const BEARER = /^Bearer ([\x21-\x7e]{1,256})$/i;

/**
 * An `onRequest` hook that lets in who sends a token of the role: before the body is read.
 *
 * ```ts
 * app.get("/v1/populations/:population/rounds", { onRequest: requireRole(tokens, { role: "viewer" }) }, handler);
 * app.get("/v1/populations", { onRequest: requireRole(tokens, { role: "viewer", scope: "handler" }) }, (request) =>
 *   all.filter(({ name }) => isInScope(request.access, name)));
 * ```
 *
 * `tokens` is the coordinator's `accessTokens`. What is refused is thrown as CoordinatorError, which the HTTP server tells as
 * `{ error: { code, message } }`: UNAUTHENTICATED (401, with WWW-Authenticate) for no token or one that is good for
 * nothing, FORBIDDEN (403) for one of a lesser role or another population. A browser's page sends the token in the same
 * header; cookies are never read, so there is no request that another page could forge.
 */
export function requireRole(
  tokens: AccessTokens,
  { role, scope = "param", isForEmergencies = false, limits }: RoleRequirement,
): onRequestAsyncHookHandler {
  return async (request, reply) => {
    const [, token] = BEARER.exec(request.headers.authorization ?? "") ?? [];
    const access = token === undefined ? undefined : await verified(tokens, token, isForEmergencies);
    if (access === undefined) {
      reply.header("www-authenticate", 'Bearer realm="fedloop"');
      throw new CoordinatorError(
        "UNAUTHENTICATED",
        "expected a token in force as Authorization: Bearer …; make one with fedloop tokens create",
      );
    }
    limits?.admitIdentity(`token ${access.tokenId}`);
    if (ROLES.indexOf(access.role) > ROLES.indexOf(role)) {
      throw new CoordinatorError(
        "FORBIDDEN",
        `expected a token of the role ${role}, came one of the role ${access.role}`,
      );
    }
    if (scope === "param") requireScope(request, access);
    request.access = access;
  };
}

async function verified(tokens: AccessTokens, token: string, isForEmergencies: boolean): Promise<Access | undefined> {
  try {
    return await tokens.verify(token);
  } catch (cause) {
    const access = isForEmergencies && cause instanceof StoreUnreachable ? tokens.verifyRemembered(token) : undefined;
    // Who is not known here may well be known there: it is told to come back.
    if (access === undefined) throw cause;
    return access;
  }
}

/** Whether a token speaks for a population. */
export function isInScope(access: Access | undefined, population: string): boolean {
  return access !== undefined && (access.populations === null || access.populations.includes(population));
}

function requireScope({ params }: FastifyRequest, access: Access): void {
  if (access.populations === null) return;
  const named = typeof params === "object" && params !== null && "population" in params ? params.population : undefined;
  if (typeof named === "string" && isInScope(access, named)) return;
  throw new CoordinatorError(
    "FORBIDDEN",
    `expected a token for ${typeof named === "string" ? "this population" : "all populations"}, came one for others only`,
  );
}
