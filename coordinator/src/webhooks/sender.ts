import { readFile } from "node:fs/promises";
import { request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import { Webhook } from "standardwebhooks";
import { CoordinatorError } from "../errors.js";
import { publicLookup, requirePublicHost } from "./address-guard.js";
import type { WebhookEvent } from "./events.js";

/** Somebody who is told. */
export interface WebhookEndpoint {
  readonly name: string;
  readonly url: string;
  /** File of the secret: `whsec_` and base64. A second line holds the one before, while receivers change over. */
  readonly secretFile: string;
  readonly events: readonly WebhookEvent[];
  /** Whether it may be on a private network, and without TLS. */
  readonly allowPrivate: boolean;
}

/** How an attempt ended: an HTTP status, or a word for what came instead. */
export type SendResult =
  | { readonly type: "answered"; readonly status: number }
  | { readonly type: "failed"; readonly why: string };

const TIMEOUT_MS = 15_000;
const SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

/**
 * Sends a message as Standard Webhooks (https://www.standardwebhooks.com) has it: signed over id, time and body. Redirects
 * are not followed.
 *
 * @throws CoordinatorError FILE_UNREADABLE for a secret that is none
 */
export async function send(
  endpoint: WebhookEndpoint,
  { id, payload }: { readonly id: string; readonly payload: string },
  { nowMs, signal }: { readonly nowMs: number; readonly signal?: AbortSignal | undefined },
): Promise<SendResult> {
  const secrets = await readSecrets(endpoint);
  const timestamp = new Date(Math.floor(nowMs / 1_000) * 1_000);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, timestamp, payload));
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(payload),
    "user-agent": "fedloop-webhooks/1",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp.getTime() / 1_000),
    "webhook-signature": signatures.join(" "),
  };
  try {
    return { type: "answered", status: await post(endpoint, headers, payload, signal) };
  } catch (cause) {
    if (cause instanceof CoordinatorError) return { type: "failed", why: cause.message };
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    return { type: "failed", why: code === "" ? "no answer in time" : code };
  }
}

function post(
  { url, allowPrivate }: WebhookEndpoint,
  headers: RequestOptions["headers"],
  payload: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const target = new URL(url);
  if (!allowPrivate) requirePublicHost(target);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      method: "POST",
      ...(headers === undefined ? {} : { headers }),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      agent: false,
      ...(allowPrivate ? {} : { lookup: publicLookup }),
    };
    const request = (target.protocol === "http:" ? plainRequest : tlsRequest)(target, options, (response) => {
      // What a receiver says beside its status is nobody's business here.
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
    request.end(payload);
  });
}

async function readSecrets({ name, secretFile }: WebhookEndpoint): Promise<string[]> {
  const text = await readFile(secretFile, "utf8").catch((cause: unknown) => {
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected the secret of the webhook ${name} at ${secretFile}; check the path`,
      {
        cause,
      },
    );
  });
  const secrets = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (secrets.length >= 1 && secrets.length <= 2 && secrets.every((secret) => SECRET.test(secret))) return secrets;
  throw new CoordinatorError(
    "FILE_UNREADABLE",
    `expected one or two lines of whsec_ and base64 of 24 to 64 bytes in ${secretFile}; make one with: echo "whsec_$(openssl rand -base64 32)"`,
  );
}
