import { create, toBinary } from "@bufbuild/protobuf";
import { LedgerError } from "@fedloop/consent";
import { ErrorDetailSchema, METADATA } from "@fedloop/proto";
import { Metadata, status } from "@grpc/grpc-js";

/** What a device is told. */
export class Told extends Error {
  readonly code: string;
  readonly retryAfterMs: number;
  readonly breaksConnection: boolean;

  constructor(code: string, options: { retryAfterMs?: number; breaksConnection?: boolean } = {}) {
    super(code);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.breaksConnection = options.breaksConnection ?? false;
  }
}

/** An error as gRPC carries it, with its `ErrorDetail`. */
export function failureOf(cause: unknown, nowMs: number): { code: status; details: string; metadata?: Metadata } {
  if (cause instanceof Told && cause.breaksConnection) return { code: status.UNAVAILABLE, details: "cut" };
  const told = cause instanceof Told || cause instanceof LedgerError ? cause : new Told(`INTERNAL ${String(cause)}`);
  const detail = create(ErrorDetailSchema, {
    code: told.code,
    message: told.message,
    retryAfterMs: told instanceof Told ? told.retryAfterMs : 0,
    serverTimeMs: BigInt(nowMs),
  });
  const metadata = new Metadata();
  metadata.set(METADATA.error, Buffer.from(toBinary(ErrorDetailSchema, detail)));
  return { code: status.FAILED_PRECONDITION, details: told.code, metadata };
}
