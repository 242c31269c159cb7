// One gRPC call on an HTTP/2 stream, as https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md has it.
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { MAX_MESSAGE_BYTES, METADATA } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { remoteError } from "./remote-error.js";

/** Before each message: a flag for compression, and the length. */
const PREFIX_BYTES = 5;
/** Up to here a message and its prefix are joined: one piece is sent faster than two. */
const JOINED_BYTES = 4_096;

/** gRPC's status codes that mean something to a caller when the coordinator gave no error of its own. */
const OK = 0;
const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** Sends the one message of a request. */
export function sendMessage(stream: ClientHttp2Stream, message: Uint8Array): void {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  if (message.length <= JOINED_BYTES) {
    stream.end(Buffer.concat([prefix, message]));
    return;
  }
  stream.cork();
  stream.write(prefix);
  stream.end(message);
  stream.uncork();
}

/** Cuts what arrives into messages. Each is copied once, into memory of its own. */
class MessageReader {
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixLength = 0;
  #message: Uint8Array | undefined;
  #length = 0;

  /**
   * @param piece what came
   * @param take gets each message that is complete
   * @throws ClientError PROTOCOL
   */
  read(piece: Uint8Array, take: (message: Uint8Array) => void): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#message === undefined) {
        const room = PREFIX_BYTES - this.#prefixLength;
        const part = piece.subarray(at, at + room);
        this.#prefix.set(part, this.#prefixLength);
        this.#prefixLength += part.length;
        at += part.length;
        if (this.#prefixLength < PREFIX_BYTES) return;
        this.#message = allocated(this.#prefix);
        this.#length = 0;
      }
      const message = this.#message;
      const part = piece.subarray(at, at + message.length - this.#length);
      message.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
      if (this.#length < message.length) return;
      this.#message = undefined;
      this.#prefixLength = 0;
      take(message);
    }
    // An empty message ends with its prefix.
  }
}

/** @throws ClientError PROTOCOL */
function allocated(prefix: Uint8Array): Uint8Array {
  const length = new DataView(prefix.buffer).getUint32(1);
  if (prefix[0] !== 0 || length > MAX_MESSAGE_BYTES) {
    throw new ClientError("PROTOCOL", `expected plain messages of at most ${MAX_MESSAGE_BYTES} bytes, came another`);
  }
  // All of it is overwritten before anyone sees it.
  const memory = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(memory.buffer, memory.byteOffset, length);
}

/** What a call gives. */
export interface CallListener {
  onMessage(message: Uint8Array): void;
  /** Once: the call has ended, with an error or well. */
  onEnd(error: ClientError | undefined): void;
}

/** Reads the answer to a call. */
export class GrpcCall {
  readonly #path: string;
  readonly #stream: ClientHttp2Stream;
  readonly #listener: CallListener;
  readonly #reader = new MessageReader();
  #status: IncomingHttpHeaders | undefined;
  #cause: unknown;
  #isOver = false;

  constructor(path: string, stream: ClientHttp2Stream, listener: CallListener) {
    this.#path = path;
    this.#stream = stream;
    this.#listener = listener;
    stream.on("response", (headers) => this.#respond(headers));
    stream.on("trailers", (trailers) => {
      this.#status = trailers;
    });
    stream.on("data", (piece: Buffer) => this.#take(piece));
    stream.on("end", () => {
      if (this.#status !== undefined) this.#end(outcomeOf(path, this.#status));
    });
    stream.on("error", (cause) => {
      this.#cause = cause;
    });
    stream.on("close", () => {
      const broken = new ClientError("UNAVAILABLE", `${path}: the connection broke`, { cause: this.#cause });
      this.#end(this.#status === undefined ? broken : outcomeOf(path, this.#status));
    });
  }

  /** Ends the call from this side. */
  cancel(error: ClientError): void {
    this.#end(error);
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #respond(headers: IncomingHttpHeaders & { readonly ":status"?: number | undefined }): void {
    const isGrpc = headers["content-type"]?.startsWith("application/grpc") === true;
    if (headers["grpc-status"] !== undefined) this.#status = headers;
    else if (headers[":status"] !== 200 || !isGrpc) {
      // Something between: a proxy, or another server.
      const passes = [429, 502, 503, 504].includes(headers[":status"] ?? 0);
      const message = `${this.#path}: the answer is not a coordinator's (HTTP status ${headers[":status"]})`;
      this.cancel(new ClientError(passes ? "UNAVAILABLE" : "PROTOCOL", message));
    }
  }

  #take(piece: Uint8Array): void {
    if (this.#isOver) return;
    try {
      this.#reader.read(piece, (message) => this.#listener.onMessage(message));
    } catch (cause) {
      const unreadable = `${this.#path}: came what cannot be read`;
      this.cancel(cause instanceof ClientError ? cause : new ClientError("PROTOCOL", unreadable, { cause }));
    }
  }

  #end(error: ClientError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onEnd(error);
  }
}

/** What a status means to the caller; undefined when all went well. */
function outcomeOf(path: string, headers: IncomingHttpHeaders): ClientError | undefined {
  const status = Number(headers["grpc-status"]);
  if (status === OK) return undefined;
  const detail = headers[METADATA.error];
  if (typeof detail === "string") return remoteError(path, Buffer.from(detail, "base64"));
  switch (status) {
    case UNAVAILABLE:
      return new ClientError("UNAVAILABLE", `${path}: the coordinator cannot be reached`);
    case DEADLINE_EXCEEDED:
      return new ClientError("DEADLINE", `${path}: no answer in time`);
    case CANCELLED:
      return new ClientError("ABORTED", `${path} was aborted`);
    case INTERNAL:
    case UNKNOWN:
      return new ClientError("UNAVAILABLE", `${path}: the connection broke`);
    default:
      return new ClientError("PROTOCOL", `${path}: gRPC status ${headers["grpc-status"]}`);
  }
}
