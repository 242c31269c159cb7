import { readFile } from "node:fs/promises";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { CoordinatorError } from "../errors.js";

export interface NatsOptions {
  /** nats://host:port, or tls://host:port off this machine. */
  readonly servers: readonly string[];
  /** A credentials file, as `nsc` writes it. */
  readonly credentialsFile?: string | null;
  /** Who signed the servers' certificates, a PEM file. */
  readonly caFile?: string | null;
}

/** Between two attempts to reach a server again, milliseconds. */
const RECONNECT_MS = 250;

/**
 * Connects, and goes on trying for ever when the connection breaks later.
 *
 * @throws CoordinatorError UNREACHABLE, FILE_UNREADABLE
 */
export async function connectNats(
  { servers, credentialsFile, caFile }: NatsOptions,
  name: string,
): Promise<NatsConnection> {
  const credentials = await contentsOf(credentialsFile, "nats.credentials");
  const ca = await contentsOf(caFile, "nats.ca");
  try {
    return await connect({
      servers: [...servers],
      name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      timeout: 5_000,
      pingInterval: 5_000,
      ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(credentials) }),
      ...(ca === undefined ? {} : { tls: { ca: ca.toString() } }),
    });
  } catch (cause) {
    throw new CoordinatorError(
      "UNREACHABLE",
      `expected a NATS server with JetStream at ${servers.join(", ")}, came "${String(cause)}"; start one, or check nats.servers`,
      { cause },
    );
  }
}

async function contentsOf(path: string | null | undefined, key: string): Promise<Buffer | undefined> {
  if (path === null || path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new CoordinatorError("FILE_UNREADABLE", `expected the file that ${key} names at ${path}; check the path`, {
      cause,
    });
  }
}
