// Bulk bytes are hashed once. A request that carries them names their SHA-256 in another field, and what the device signs is the
// digest of the message without them: as strong, at half the price. authentication.proto specifies it.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { encodeMessage } from "./codec.js";
import { UploadChunkRequestSchema } from "./gen/fedloop/v1/artifacts_pb.js";
import { SubmitMaskedRequestSchema } from "./gen/fedloop/v1/rounds_pb.js";
import { WireReader, WireType } from "./wire-format.js";

/** The number of a request's bulk field. */
const BULK_FIELDS: ReadonlyMap<string, number> = new Map([
  [UploadChunkRequestSchema.typeName, UploadChunkRequestSchema.field.data.number],
  [SubmitMaskedRequestSchema.typeName, SubmitMaskedRequestSchema.field.inlineUpdate.number],
]);

/** A request as it is sent. */
export interface EncodedRequest {
  readonly body: Uint8Array;
  /** The parts of `body` whose SHA-256, one after the other, is signed: all but the bulk bytes. */
  readonly signed: readonly Uint8Array[];
}

/** Encodes a request. */
export function encodeRequest<D extends DescMessage>(schema: D, message: MessageShape<D>): EncodedRequest {
  const body = encodeMessage(schema, message);
  return { body, signed: signedParts(schema, body) };
}

/**
 * What of a request is signed, wherever in it the bulk bytes stand. Of a field that comes twice, which no writer does, the last
 * counts, as for whoever parses the message.
 *
 * @param schema of the request
 * @param body the request as it is sent, or came
 * @returns parts of `body`
 * @throws Error when it is not a message
 */
export function signedParts(schema: DescMessage, body: Uint8Array): readonly Uint8Array[] {
  const bulkField = BULK_FIELDS.get(schema.typeName);
  if (bulkField === undefined) return [body];
  const reader = new WireReader(body);
  let bulk: Uint8Array | undefined;
  while (!reader.isAtEnd) {
    const [number, type] = reader.tag();
    if (number === bulkField && type === WireType.LengthDelimited) bulk = reader.bytes();
    else reader.skip(type, number);
  }
  if (bulk === undefined || bulk.length === 0) return [body];
  const start = bulk.byteOffset - body.byteOffset;
  return [body.subarray(0, start), body.subarray(start + bulk.length)];
}
