import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { integer, section } from "./fields.js";

/** Where gRPC or HTTP is served. */
export interface Listen {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Where HTTP is served, and what of it. */
export interface HttpConfig extends Listen {
  /** Web origins whose pages may take part. */
  readonly corsOrigins: readonly string[];
  /** Whether participants find a consent centre there. */
  readonly consentCentre?: { readonly jurisdiction: string } | undefined;
}

const host = { error: 'a host name or address, as in "127.0.0.1"' };
const webOrigin = { error: 'a web origin, as in "https://app.example.org", without a path' };
const webOrigins = { error: "a list of at most 100 web origins" };

function listenAt(port: number) {
  return {
    host: z
      .string(host)
      .regex(/^[A-Za-z0-9.:-]{1,253}$/, host)
      .default("127.0.0.1"),
    port: integer(0, 65_535).default(port),
  };
}

export const listenSection: z.ZodType<Listen> = section(listenAt(7443));

const jurisdiction = { error: 'whose law consents are given under, as in "CH"' };

export const httpSection: z.ZodType<HttpConfig> = section({
  ...listenAt(7480),
  consentCentre: section({ jurisdiction: z.string(jurisdiction).regex(/^[^\n\r]{1,100}$/, jurisdiction) }).optional(),
  corsOrigins: z.array(z.string(webOrigin).refine(isWebOrigin, webOrigin), webOrigins).max(100, webOrigins).default([]),
});

/** As browsers write an origin: scheme, host and a port that is not the scheme's own; neither "*" nor a path. */
function isWebOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** An address as host:port or [host]:port. @throws CoordinatorError BAD_CONFIG, with what it stood in */
export function parseListen(written: string, where: string): Listen {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(written) ?? [];
  const parsed = listenSection.safeParse({ host: bracketed ?? plain, port: Number(port) });
  if (port !== undefined && parsed.success) return parsed.data;
  throw new CoordinatorError(
    "BAD_CONFIG",
    `${where}: expected host:port, as in 127.0.0.1:7443 or [::1]:7443, came ${JSON.stringify(written.slice(0, 60))}`,
  );
}
