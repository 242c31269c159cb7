import { decodeMessage, ErrorDetailSchema } from "@fedloop/proto";
import { ClientError } from "../errors.js";

/**
 * The coordinator's own error: REMOTE with its code, or PROTOCOL when it cannot be read.
 *
 * @param path of the call
 * @param detail an encoded `ErrorDetail`
 * @param cause the transport's error that it came with, if any
 */
export function remoteError(path: string, detail: Uint8Array, cause?: unknown): ClientError {
  try {
    const { code, message, retryAfterMs, serverTimeMs } = decodeMessage(ErrorDetailSchema, detail);
    return new ClientError("REMOTE", `${path}: ${code}: ${message}`, {
      cause,
      remoteCode: code,
      retryAfterMs,
      serverTimeMs: Number(serverTimeMs),
    });
  } catch {
    return new ClientError("PROTOCOL", `${path}: the coordinator sent an error detail that cannot be read`, { cause });
  }
}
