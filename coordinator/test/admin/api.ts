import type { Test } from "tap";
import type { Role } from "../../src/access/access-tokens.js";
import type { Coordinator } from "../../src/server/coordinator.js";
import { Federation, type FederationOptions } from "../server/federation.js";

export const HTTP = { host: "127.0.0.1", port: 0, tls: null, corsOrigins: [] } as const;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what came, for the test to look at
  readonly body: any;
}

/** How a test asks. */
export interface Calls {
  readonly base: string;
  readonly token: string;
  call(path: string, init?: RequestInit): Promise<Answer>;
  /** Below /api/v1. */
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown, key: string): Promise<Answer>;
}

/** A federation whose coordinator serves the API, and how a test asks it. */
export async function openWithApi(
  t: Test,
  options: FederationOptions = {},
): Promise<Calls & { readonly federation: Federation }> {
  const federation = await Federation.open(t, { http: HTTP, ...options });
  return { federation, ...(await callsAs(federation.coordinator, "operator")) };
}

/** @param populations that the token speaks for; null for all */
export async function callsAs(
  { accessTokens, httpPort }: Coordinator,
  role: Role,
  populations: readonly string[] | null = null,
): Promise<Calls> {
  const { token } = await accessTokens.create({ name: "test", role, populations, lifeMs: 3_600_000 });
  return callsTo(`http://127.0.0.1:${httpPort}`, token);
}

/** @param base of the HTTP server */
export function callsTo(base: string, token: string): Calls {
  const call = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = { authorization: `Bearer ${token}`, ...init.headers };
    const response = await fetch(`${base}${path}`, { ...init, headers });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const get = (path: string): Promise<Answer> => call(`/api/v1${path}`);
  const post = (path: string, body: unknown, key: string): Promise<Answer> =>
    call(`/api/v1${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", "idempotency-key": key },
    });
  return { base, token, call, get, post };
}
