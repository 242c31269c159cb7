import { randomUUID } from "node:crypto";
import { loadConfig } from "../config/config.js";
import { CoordinatorError } from "../errors.js";
import { payloadOf } from "../webhooks/events.js";
import { send, type WebhookEndpoint } from "../webhooks/sender.js";
import type { Surroundings } from "./surroundings.js";

export interface WebhooksOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Lists the endpoints of the configuration, without what could be a secret in their addresses. */
export async function listWebhooks({ config, json }: WebhooksOptions, around: Surroundings): Promise<void> {
  const { webhooks } = await loadConfig(config, around.environment);
  const listed = webhooks.map(({ name, url, events, allowPrivate }) => ({
    name,
    host: new URL(url).host,
    events,
    allowPrivate,
  }));
  if (json) around.print(`${JSON.stringify({ webhooks: listed })}\n`);
  else if (listed.length === 0) around.print("The configuration names no webhooks.\n");
  else around.print(`${listed.map(({ name, host, events }) => `${name}  ${host}  ${events.join(", ")}`).join("\n")}\n`);
}

/**
 * Sends an endpoint a message of the type test, once, whether a coordinator runs or not.
 *
 * @throws CoordinatorError NOT_FOUND for a name that the configuration does not have; UNREACHABLE when it did not answer
 * with 2xx
 */
export async function testWebhook(
  { config, json }: WebhooksOptions,
  name: string,
  { environment, signal, print }: Surroundings,
): Promise<void> {
  const { webhooks } = await loadConfig(config, environment);
  const endpoint = find(webhooks, name);
  const id = `msg_${randomUUID().replaceAll("-", "")}`;
  const nowMs = Date.now();
  const payload = payloadOf({ id, type: "test", timeMs: nowMs, data: { endpoint: name }, fact: null });
  const result = await send(endpoint, { id, payload }, { nowMs, signal });
  const came = result.type === "answered" ? `status ${result.status}` : result.why;
  if (result.type !== "answered" || result.status < 200 || result.status > 299) {
    throw new CoordinatorError(
      "UNREACHABLE",
      `expected ${name} to answer with 2xx, came ${came}; it was sent as ${id}`,
    );
  }
  print(json ? `${JSON.stringify({ name, id, status: result.status })}\n` : `${name} took ${id} with ${came}\n`);
}

function find(webhooks: readonly WebhookEndpoint[], name: string): WebhookEndpoint {
  const endpoint = webhooks.find((it) => it.name === name);
  if (endpoint !== undefined) return endpoint;
  const names = webhooks.map((it) => it.name).join(", ") || "none";
  throw new CoordinatorError(
    "NOT_FOUND",
    `expected one of the webhooks of the configuration (${names}), came "${name}"`,
  );
}
