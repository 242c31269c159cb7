// The Connect protocol (connectrpc.com/docs/protocol), as far as a device speaks it: unary calls and streams from the
// coordinator, in binary, uncompressed.
import { decodeBase64 } from "@fedloop/consent";
import { ErrorDetailSchema, MAX_MESSAGE_BYTES } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { remoteError } from "./remote-error.js";

/** The content types of requests and of answers. */
export const UNARY_TYPE = "application/proto";
export const STREAM_TYPE = "application/connect+proto";
const ERROR_TYPE = "application/json";

/** Flags and length before each message of a stream. */
const ENVELOPE_BYTES = 5;
const COMPRESSED = 1;
const END_OF_STREAM = 2;

/** What most answers fit in. */
const FIRST_BYTES = 4_096;

/** A message as it stands in a stream. */
export function enveloped(message: Uint8Array): Uint8Array {
  const envelope = new Uint8Array(ENVELOPE_BYTES + message.length);
  new DataView(envelope.buffer).setUint32(1, message.length);
  envelope.set(message, ENVELOPE_BYTES);
  return envelope;
}

function unreachable(path: string, cause?: unknown): ClientError {
  // fetch does not tell a refused connection from one that broke, or from a page that CORS keeps out.
  return new ClientError("UNAVAILABLE", `${path}: the coordinator cannot be reached, or the connection broke`, {
    cause,
  });
}

/** What an exception in the middle of a call means. */
export function brokenCall(path: string, cause: unknown): ClientError {
  return cause instanceof ClientError ? cause : unreachable(path, cause);
}

/**
 * Passes an answer of the expected type on.
 *
 * @throws ClientError REMOTE, PROTOCOL, UNAVAILABLE for all others
 */
export async function requireAnswer(path: string, response: Response, type: string): Promise<Response> {
  const came = response.headers.get("content-type")?.split(";")[0];
  if (response.ok && came === type) return response;
  if (!response.ok && came === ERROR_TYPE) {
    throw toldError(path, JSON.parse(new TextDecoder().decode(await wholeBody(path, response))), response.status);
  }
  // A page of a network that wants a login comes with 200, and passes; a wrong address does not.
  throw response.ok ? unreachable(path) : statusError(path, response.status);
}

/**
 * All of an answer, of which no more is kept than a message may have.
 *
 * @throws ClientError PROTOCOL when there is more; the rest is not read
 */
export async function wholeBody(path: string, response: Response): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  let bytes = new Uint8Array(FIRST_BYTES);
  for (let length = 0; ; ) {
    const piece = (await reader?.read())?.value;
    if (piece === undefined) return bytes.subarray(0, length);
    const end = length + piece.length;
    if (end > MAX_MESSAGE_BYTES) {
      await reader?.cancel();
      throw new ClientError("PROTOCOL", `${path}: expected an answer of at most ${MAX_MESSAGE_BYTES} bytes, came more`);
    }
    if (end > bytes.length) {
      const longer = new Uint8Array(Math.max(end, 2 * bytes.length));
      longer.set(bytes.subarray(0, length));
      bytes = longer;
    }
    bytes.set(piece, length);
    length = end;
  }
}

/** The answer of something that is not the coordinator: a wrong address, a proxy. */
function statusError(path: string, status: number): ClientError {
  const mayPass = status >= 500 || status === 408 || status === 429;
  if (mayPass) return unreachable(path, `HTTP status ${status}`);
  return new ClientError("PROTOCOL", `${path}: the answer is not a coordinator's (HTTP status ${status})`);
}

/** An error in the protocol's JSON, of which only the coordinator's own detail says more than the status. */
function toldError(path: string, json: unknown, status: number): ClientError {
  for (const detail of list(field(json, "details"))) {
    const value = field(detail, "value");
    if (field(detail, "type") !== ErrorDetailSchema.typeName || typeof value !== "string") continue;
    return remoteError(path, decodeBase64(padded(value)));
  }
  return statusError(path, status);
}

function field(json: unknown, name: string): unknown {
  return typeof json === "object" && json !== null ? Object.getOwnPropertyDescriptor(json, name)?.value : undefined;
}

function list(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [];
}

function padded(base64: string): string {
  return base64.padEnd(Math.ceil(base64.length / 4) * 4, "=");
}

/**
 * The messages of a stream, up to the one that ends it.
 *
 * @throws ClientError REMOTE for the coordinator's own error at its end, PROTOCOL, UNAVAILABLE when the end is missing
 */
export async function* streamedMessages(path: string, body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = new ByteReader(path, body.getReader());
  for (;;) {
    const head = await bytes.take(ENVELOPE_BYTES);
    const view = new DataView(head.buffer, head.byteOffset);
    const [flags, length] = [view.getUint8(0), view.getUint32(1)];
    if ((flags & COMPRESSED) !== 0 || length > MAX_MESSAGE_BYTES) {
      throw new ClientError(
        "PROTOCOL",
        `${path}: expected plain messages of at most ${MAX_MESSAGE_BYTES} bytes, came flags ${flags} and ${length} bytes`,
      );
    }
    const message = await bytes.take(length);
    if ((flags & END_OF_STREAM) === 0) {
      yield message;
      continue;
    }
    const error = field(JSON.parse(new TextDecoder().decode(message)), "error");
    if (error !== undefined) throw toldError(path, error, 500);
    return;
  }
}

/** Cuts a body's pieces to the lengths that are asked for. */
class ByteReader {
  readonly #path: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(path: string, reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#path = path;
    this.#reader = reader;
  }

  async take(length: number): Promise<Uint8Array> {
    const taken = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      if (this.#rest.length === 0) this.#rest = await this.#next();
      const piece = this.#rest.subarray(0, length - filled);
      taken.set(piece, filled);
      filled += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    return taken;
  }

  async #next(): Promise<Uint8Array> {
    const { done, value } = await this.#reader.read();
    if (done) throw unreachable(this.#path, "the stream ended in mid-answer");
    return value;
  }
}
