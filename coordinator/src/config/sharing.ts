/** How coordinators and aggregators of one log share their state: the database, NATS, and the way to one another. */
import { resolve } from "node:path";
import * as z from "zod";
import type { NatsOptions } from "../messaging/connect.js";
import { duration, section, text } from "./fields.js";
import { isLoopback } from "./loopback.js";

/** Where the state is: in a file in the data folder, or in a database whose URL, a secret, stands somewhere else. */
export type StoreConfig =
  | { readonly type: "sqlite" }
  /** A file that holds the URL; null where it is in the environment, as FEDLOOP_POSTGRES_URL. */
  | { readonly type: "postgres"; readonly urlFile: string | null };

export interface ClusterConfig {
  /** host:port at which the others reach this one; null for where it listens. */
  readonly address: string | null;
  /** Who signed the others' certificates, PEM; null for the authorities that the system knows. */
  readonly ca: string | null;
  /** A population whose leader is not heard of for so long gets another, milliseconds. */
  readonly leaseMs: number;
}

export interface WrittenStore {
  readonly postgres: { readonly urlFile?: string | undefined };
}

export interface WrittenNats {
  readonly servers: readonly string[];
  readonly credentials?: string | undefined;
  readonly ca?: string | undefined;
}

/** As it is written, with the lease in milliseconds. */
export interface WrittenCluster {
  readonly address?: string | undefined;
  readonly ca?: string | undefined;
  readonly lease: number;
}

const natsServers = { error: "a list of 1 to 16 NATS servers" };
const natsServer = {
  error: 'a NATS server without a password in it: "nats://127.0.0.1:4222", or off this machine "tls://host:4222"',
};

function isNatsServer(written: string): boolean {
  if (!URL.canParse(written)) return false;
  const { protocol, hostname, username } = new URL(written);
  const isSecure = protocol === "tls:" || (protocol === "nats:" && isLoopback(hostname.replace(/^\[|\]$/g, "")));
  return isSecure && username === "";
}

const hostAndPort = { error: "host:port at which other coordinators reach this one" };

export const storeSection: z.ZodType<WrittenStore> = section({
  postgres: section({ urlFile: text(1_000).optional() }),
});

export const natsSection: z.ZodType<WrittenNats> = section({
  servers: z
    .array(z.string(natsServer).refine(isNatsServer, natsServer), natsServers)
    .min(1, natsServers)
    .max(16, natsServers),
  credentials: text(1_000).optional(),
  ca: text(1_000).optional(),
});

export const clusterSection: z.ZodType<WrittenCluster> = section({
  address: z
    .string(hostAndPort)
    .regex(/^[A-Za-z0-9.:[\]-]{1,253}:\d{1,5}$/, hostAndPort)
    .optional(),
  ca: text(1_000).optional(),
  lease: duration().prefault("10s"),
});

export function storeOf(store: WrittenStore | undefined, folder: string): StoreConfig {
  if (store === undefined) return { type: "sqlite" };
  const { urlFile } = store.postgres;
  return { type: "postgres", urlFile: urlFile === undefined ? null : resolve(folder, urlFile) };
}

export function natsOf(nats: WrittenNats | undefined, folder: string): NatsOptions | null {
  if (nats === undefined) return null;
  const { servers, credentials, ca } = nats;
  return {
    servers,
    credentialsFile: credentials === undefined ? null : resolve(folder, credentials),
    caFile: ca === undefined ? null : resolve(folder, ca),
  };
}

export function clusterOf({ address, ca, lease }: WrittenCluster, folder: string): ClusterConfig {
  return { address: address ?? null, ca: ca === undefined ? null : resolve(folder, ca), leaseMs: lease };
}
