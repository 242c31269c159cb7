/**
 * Turns a generated service into what grpc-js wants, so that one set of message types serves gRPC and Connect.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { methodPath } from "./wire.js";

const received = new WeakMap<Message, Uint8Array>();

/**
 * The bytes a message was parsed from: what a request signature covers.
 *
 * @throws TypeError when the message was not received through `serviceDefinition` (a programming error)
 */
export function receivedBytes(message: Message): Uint8Array {
  const bytes = received.get(message);
  if (bytes === undefined) throw new TypeError("expected a message received over gRPC, came one made in this process");
  return bytes;
}

/** A Buffer over the same memory: grpc-js takes nothing else. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Before each message of gRPC: a flag for compression, and the length. */
const PREFIX_BYTES = 5;

/** Messages in their frames. */
const framed = new WeakMap<Message, Buffer>();

/**
 * A message that is sent many times, encoded once. It must not be changed afterwards.
 *
 * @returns the message; sending it costs no encoding and no memory of its own
 */
export function encodedOnce<D extends DescMessage>(schema: D, init: MessageInitShape<D>): MessageShape<D> {
  const message = create(schema, init);
  const bytes = toBinary(schema, message);
  const frame = Buffer.allocUnsafeSlow(PREFIX_BYTES + bytes.length);
  frame.writeUInt8(0);
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, PREFIX_BYTES);
  framed.set(message, frame);
  return message;
}

/** The frame of gRPC around a message that was encoded once, and the message in it; undefined for any other. */
export function framedOnce(message: Message): Buffer | undefined {
  return framed.get(message);
}

/** Encodes a message for the wire. */
export function serialize<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => framed.get(message)?.subarray(PREFIX_BYTES) ?? asBuffer(toBinary(schema, message));
}

/** Decodes a message and remembers its bytes for `receivedBytes`. */
export function deserialize<D extends DescMessage>(schema: D): (bytes: Uint8Array) => MessageShape<D> {
  return (bytes) => {
    const message = fromBinary(schema, bytes);
    received.set(message, bytes);
    return message;
  };
}

function methodDefinition(method: DescMethod): MethodDefinition<Message, Message> {
  return {
    path: methodPath(method),
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
  };
}

/** A grpc-js service definition for a generated service. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}
