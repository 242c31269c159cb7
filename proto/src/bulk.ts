// Bulk bytes are hashed once. A request that carries them names their SHA-256 in another field, and what the device signs is the
// digest of the message without them: as strong, at half the price. authentication.proto specifies it.
import { type DescMessage, type DescMethod, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { UploadChunkRequestSchema } from "./gen/fedloop/v1/artifacts_pb.js";
import { SubmitMaskedRequestSchema } from "./gen/fedloop/v1/rounds_pb.js";

interface BulkField {
  readonly localName: string;
  readonly number: number;
}

const FIELDS: ReadonlyMap<string, BulkField> = new Map([
  [UploadChunkRequestSchema.typeName, UploadChunkRequestSchema.field.data],
  [SubmitMaskedRequestSchema.typeName, SubmitMaskedRequestSchema.field.inlineUpdate],
]);

/** A request as it is sent. */
export interface EncodedRequest {
  readonly body: Uint8Array;
  /** The parts of `body` whose SHA-256, one after the other, is signed: all but the bulk bytes. */
  readonly signed: readonly Uint8Array[];
}

/** Encodes a request, with its bulk bytes last. */
export function encodeRequest<D extends DescMessage>(schema: D, message: MessageShape<D>): EncodedRequest {
  const field = FIELDS.get(schema.typeName);
  const bytes: unknown = field === undefined ? undefined : Reflect.get(message, field.localName);
  if (field === undefined || !(bytes instanceof Uint8Array) || bytes.length === 0) {
    const body = toBinary(schema, message);
    return { body, signed: [body] };
  }
  const rest = toBinary(schema, { ...message, [field.localName]: new Uint8Array(0) });
  const frame = new BinaryWriter().tag(field.number, WireType.LengthDelimited).uint32(bytes.length).finish();
  const body = new Uint8Array(rest.length + frame.length + bytes.length);
  body.set(rest);
  body.set(frame, rest.length);
  body.set(bytes, rest.length + frame.length);
  return { body, signed: [body.subarray(0, rest.length + frame.length)] };
}

/**
 * What of a received request is signed, wherever in it the bulk bytes stand. Of a field that comes twice, which no writer does, the
 * last counts, as for whoever parses the message.
 *
 * @param body the request as it came
 * @throws Error when it is not a message
 */
export function signedParts({ input }: DescMethod, body: Uint8Array): readonly Uint8Array[] {
  const field = FIELDS.get(input.typeName);
  if (field === undefined) return [body];
  const reader = new BinaryReader(body);
  let bulk: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field.number && type === WireType.LengthDelimited) bulk = reader.bytes();
    else reader.skip(type, number);
  }
  if (bulk === undefined) return [body];
  const start = bulk.byteOffset - body.byteOffset;
  return [body.subarray(0, start), body.subarray(start + bulk.length)];
}
