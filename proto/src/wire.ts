import type { DescMethod } from "@bufbuild/protobuf";

/** Bulk vectors travel in chunks of this size, in bytes. */
export const CHUNK_BYTES: number = 1 << 20;

/** No message of the protocol is larger: a chunk and its frame, with room for its other fields. Bytes. */
export const MAX_MESSAGE_BYTES: number = CHUNK_BYTES + (64 << 10);

/** What either end of an HTTP/2 connection takes in before the other must ask for more, in bytes. Four chunks. */
export const FLOW_CONTROL_WINDOW_BYTES: number = 4 * CHUNK_BYTES;

/** Metadata names of authentication.proto, and the trailer that carries an `ErrorDetail`. */
export const METADATA = {
  device: "fedloop-device",
  session: "fedloop-session",
  nonce: "fedloop-nonce",
  time: "fedloop-time",
  signature: "fedloop-signature",
  error: "fedloop-error-bin",
} as const;

/** The full path of a method as gRPC and Connect write it, for example `/fedloop.v1.Rounds/CheckIn`. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * The text that a device signs for a request, as authentication.proto specifies.
 *
 * @param bodyDigestHex lower-case hexadecimal SHA-256 of the request message as sent
 */
export function requestSigningInput(
  path: string,
  session: string,
  nonce: string,
  timeMs: string,
  bodyDigestHex: string,
): Uint8Array {
  return new TextEncoder().encode(`fedloop-request/v1\n${path}\n${session}\n${nonce}\n${timeMs}\n${bodyDigestHex}\n`);
}
