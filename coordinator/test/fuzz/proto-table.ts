/** The wire's messages, as each end decodes them. */
import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { Broken, type Fuzzed, fixed, mutateBytes, same } from "@fedloop/fuzz";
import * as proto from "@fedloop/proto";

/** Protocol Buffers' own reader throws plain errors; what is not told from them is a stack or a heap that ran out. */
const isProtobuf = (cause: unknown): boolean =>
  cause instanceof Error && !/call stack|heap|allocation/i.test(cause.message);

type Seeds = readonly Uint8Array[];

/** A message with something in every field, by its descriptor. */
export function sample(schema: DescMessage, salt: number, depth = 0): Message {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const value = sampleValue(field, salt + field.number, depth);
    if (value === undefined) continue;
    if (field.oneof !== undefined) init[field.oneof.localName] = { case: field.localName, value };
    else init[field.localName] = field.fieldKind === "list" ? [value, value] : value;
  }
  return proto.messageOf(schema, init as never);
}

function sampleValue(field: DescMessage["fields"][number], salt: number, depth: number): unknown {
  if (field.message !== undefined) return depth > 4 ? undefined : sample(field.message, salt, depth + 1);
  if (field.enum !== undefined) return 1;
  const [, kind] = /\b(bytes|string|bool|uint64|uint32)\b/.exec(String(SCALAR[field.scalar ?? 0])) ?? [];
  if (kind === "bytes") return fixed(salt % 40, salt);
  if (kind === "string") return `text ${salt}`;
  if (kind === "bool") return true;
  return kind === "uint64" ? BigInt(salt) * 1_000_003n : salt * 7;
}

/** Names of descriptor.proto's scalar types that the contract uses. */
const SCALAR: Readonly<Record<number, string>> = { 4: "uint64", 8: "bool", 9: "string", 12: "bytes", 13: "uint32" };

function isSchema(value: unknown): value is DescMessage {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "message";
}

export function protoTable(): Fuzzed[] {
  const schemas = Object.values(proto as Record<string, unknown>).filter(isSchema);
  return schemas.map((schema): Fuzzed => {
    const seeds: Seeds = [1, 2, 3].map((salt) => proto.encodeMessage(schema, sample(schema, salt)));
    return {
      name: schema.typeName,
      inputs: 3_000,
      make: (draw) => mutateBytes(seeds, draw),
      valid: seeds,
      isRefusal: isProtobuf,
      decode: (bytes: Uint8Array) => {
        const message = proto.decodeMessage(schema, bytes);
        const again = proto.encodeMessage(schema, message);
        same(proto.decodeMessage(schema, again), message);
        // What the server's decoder takes, from the same bytes.
        fromBinary(schema, bytes);
        const parts = proto.signedParts(schema, bytes);
        if (parts.reduce((sum, { length }) => sum + length, 0) > bytes.length)
          throw new Broken("more is signed than came");
      },
    };
  });
}
