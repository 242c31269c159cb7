import { resolve } from "node:path";
import type * as z from "zod";
import { duration, section, text } from "./fields.js";

/** Certificates in PEM, as absolute paths. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** When given, callers must show a certificate that this authority signed. */
  readonly clientCa: string | null;
  /** How often the files are looked at for a renewal, milliseconds. */
  readonly reloadMs: number;
}

/** As it is written, with the time between two looks in milliseconds. */
export interface WrittenTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string | undefined;
  readonly reload: number;
}

export const tlsSection: z.ZodType<WrittenTls> = section({
  cert: text(1_000),
  key: text(1_000),
  clientCa: text(1_000).optional(),
  reload: duration().prefault("1m"),
});

export function tlsOf(tls: WrittenTls | undefined, folder: string): TlsFiles | null {
  if (tls === undefined) return null;
  return {
    cert: resolve(folder, tls.cert),
    key: resolve(folder, tls.key),
    clientCa: tls.clientCa === undefined ? null : resolve(folder, tls.clientCa),
    reloadMs: tls.reload,
  };
}
