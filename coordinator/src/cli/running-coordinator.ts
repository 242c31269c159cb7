import { randomUUID } from "node:crypto";
import * as z from "zod";
import { AccessTokens } from "../access/access-tokens.js";
import { openAccess } from "../access/open-access.js";
import { API_PREFIX } from "../admin/api-prefix.js";
import { type ConfigEnvironment, loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { COORDINATOR_ERROR_CODES, CoordinatorError, type CoordinatorErrorCode } from "../errors.js";

/** How long a token that a command makes for itself is good for, milliseconds. */
const TOKEN_MS = 60_000;

const problem = z.object({ code: z.string(), detail: z.string() });

/**
 * Asks the coordinator that has the data folder open, or shares the database, to do something, over its HTTP API. Who may write
 * there may make tokens, so the command makes one for itself, for a minute.
 *
 * @param path below /api/v1
 * @throws CoordinatorError UNREACHABLE, or what the coordinator answers
 */
export async function askRunning(
  config: string,
  environment: ConfigEnvironment,
  path: string,
  body: unknown,
): Promise<unknown> {
  const loaded = await loadConfig(config, environment);
  const { dataDir, http, tls } = loaded;
  if (http === null || http.port === 0) {
    throw new CoordinatorError(
      "UNREACHABLE",
      "expected a section http with a port in the configuration, to ask the coordinator that runs; add it, or stop the coordinator",
    );
  }
  await using store = await openAccess(await storagePlaces(loaded, environment));
  const tokens = new AccessTokens(store, Date);
  const { token, tokenId } = await tokens.create({
    name: "fedloop command",
    role: "operator",
    populations: null,
    lifeMs: TOKEN_MS,
  });
  const host = http.host === "0.0.0.0" ? "127.0.0.1" : http.host.includes(":") ? `[${http.host}]` : http.host;
  const url = `${tls === null ? "http" : "https"}://${host}:${http.port}${API_PREFIX}${path}`;
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "idempotency-key": randomUUID(),
  };
  try {
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) }).catch(
      (cause: unknown) => {
        throw new CoordinatorError(
          "UNREACHABLE",
          `expected the coordinator that has ${dataDir} open to answer at ${url}; check the section http, and that its certificate is trusted here`,
          { cause },
        );
      },
    );
    const answer: unknown = await response.json();
    if (response.ok) return answer;
    const { code, detail } = problem.parse(answer);
    throw new CoordinatorError(known(code), detail);
  } finally {
    await tokens.revoke(tokenId);
  }
}

function known(code: string): CoordinatorErrorCode {
  return COORDINATOR_ERROR_CODES.find((it) => it === code) ?? "INTERNAL";
}
