// Messages of the contract as bytes, and back: what protobuf-es does by reflection for all of Protocol Buffers, for the few
// kinds of fields that the contract has, at a fifth of the download. Messages look the same and encode to the same bytes.
import type { DescField, DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { BOOL, BYTES, STRING, UINT32, UINT64 } from "./scalar-types.js";
import { WireReader, WireType, WireWriter } from "./wire-format.js";

/** A message's fields by their names in TypeScript. */
type Fields = Record<string, unknown>;

interface Scalar {
  readonly wireType: number;
  readonly zero: () => unknown;
  readonly read: (reader: WireReader) => unknown;
  readonly write: (writer: WireWriter, value: never) => WireWriter;
}

/** The scalar types that the contract uses; compact-descriptors.mjs refuses others. */
const SCALARS: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [
    STRING,
    { wireType: WireType.LengthDelimited, zero: () => "", read: (r) => r.string(), write: (w, v) => w.string(v) },
  ],
  [
    BYTES,
    {
      wireType: WireType.LengthDelimited,
      zero: () => new Uint8Array(0),
      read: (r) => r.bytes(),
      write: (w, v) => w.bytes(v),
    },
  ],
  [BOOL, { wireType: WireType.Varint, zero: () => false, read: (r) => r.bool(), write: (w, v) => w.bool(v) }],
  [UINT32, { wireType: WireType.Varint, zero: () => 0, read: (r) => r.uint32(), write: (w, v) => w.uint32(v) }],
  [UINT64, { wireType: WireType.Varint, zero: () => 0n, read: (r) => r.uint64(), write: (w, v) => w.uint64(v) }],
]);
const ENUM: Scalar = { wireType: WireType.Varint, zero: () => 0, read: (r) => r.int32(), write: (w, v) => w.int32(v) };

const IMPLICIT = 2;

function scalarOf(field: DescField): Scalar {
  const scalar = field.enum === undefined ? SCALARS.get(field.scalar ?? 0) : ENUM;
  if (scalar === undefined) throw new Error(`expected a type that the contract uses, came that of ${field}`);
  return scalar;
}

function isZero(value: unknown): boolean {
  return (
    value === "" ||
    value === 0 ||
    value === 0n ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

/** A message with the fields that are given, all others as proto3 leaves them out. */
export function messageOf<D extends DescMessage>(schema: D, init: MessageInitShape<D>): MessageShape<D> {
  return completed(schema, init as Fields) as MessageShape<D>;
}

function completed(schema: DescMessage, init: Fields): Fields {
  const message: Fields = { $typeName: schema.typeName };
  for (const member of schema.members) {
    const { localName } = member;
    const value = init[localName] ?? undefined;
    if (member.kind === "oneof") {
      const chosen = value as { readonly case?: string; readonly value?: unknown } | undefined;
      const field = member.fields.find((each) => each.localName === chosen?.case);
      message[localName] =
        field === undefined ? { case: undefined } : { case: field.localName, value: inner(field, chosen?.value) };
    } else if (member.fieldKind === "list") {
      message[localName] = ((value ?? []) as readonly unknown[]).map((item) => inner(member, item));
    } else if (value !== undefined) {
      message[localName] = inner(member, value);
    } else if (member.presence === IMPLICIT) {
      message[localName] = scalarOf(member).zero();
    }
  }
  return message;
}

function inner({ message }: DescField, value: unknown): unknown {
  return message === undefined ? value : completed(message, value as Fields);
}

/** A message's bytes. */
export function encodeMessage<D extends DescMessage>(schema: D, message: MessageShape<D>): Uint8Array {
  return written(schema, message as Fields, new WireWriter()).finish();
}

function written(schema: DescMessage, message: Fields, writer: WireWriter): WireWriter {
  for (const field of [...schema.fields].sort((one, other) => one.number - other.number)) {
    const value = fieldValue(field, message);
    if (value === undefined || (field.presence === IMPLICIT && isZero(value))) continue;
    if (field.fieldKind !== "list") writeOne(field, value, writer);
    else writeList(field, value as readonly unknown[], writer);
  }
  return writer;
}

function fieldValue({ oneof, localName }: DescField, message: Fields): unknown {
  if (oneof === undefined) return message[localName];
  const chosen = message[oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return chosen.case === localName ? chosen.value : undefined;
}

function writeOne(field: DescField, value: unknown, writer: WireWriter): void {
  if (field.message !== undefined) {
    const inner = written(field.message, value as Fields, new WireWriter()).finish();
    writer.tag(field.number, WireType.LengthDelimited).bytes(inner);
    return;
  }
  const { wireType, write } = scalarOf(field);
  write(writer.tag(field.number, wireType), value as never);
}

function writeList(field: DescField, values: readonly unknown[], writer: WireWriter): void {
  if (field.fieldKind !== "list" || !field.packed) {
    for (const value of values) writeOne(field, value, writer);
  } else if (values.length > 0) {
    const { write } = scalarOf(field);
    const packed = new WireWriter();
    for (const value of values) write(packed, value as never);
    writer.tag(field.number, WireType.LengthDelimited).bytes(packed.finish());
  }
}

/**
 * A message from its bytes. What the schema does not know is skipped, as are fields of another wire type than its own.
 *
 * @throws Error when they are none
 */
export function decodeMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  return read(schema, bytes, completed(schema, {})) as MessageShape<D>;
}

function read(schema: DescMessage, bytes: Uint8Array, message: Fields): Fields {
  const reader = new WireReader(bytes);
  while (!reader.isAtEnd) {
    const [number, wireType] = reader.tag();
    const field = schema.fields.find((each) => each.number === number);
    if (field === undefined || !readField(field, wireType, reader, message)) reader.skip(wireType, number);
  }
  return message;
}

/** @returns whether the field is of that wire type, and was read */
function readField(field: DescField, wireType: number, reader: WireReader, message: Fields): boolean {
  const { message: type } = field;
  const isList = field.fieldKind === "list";
  if (type !== undefined) {
    if (wireType !== WireType.LengthDelimited) return false;
    // A singular message that comes twice is merged, as Protocol Buffers has it.
    const before = isList ? undefined : fieldValue(field, message);
    const value = read(type, reader.bytes(), (before as Fields | undefined) ?? completed(type, {}));
    put(field, value, message);
    return true;
  }
  const scalar = scalarOf(field);
  if (isList && field.packed && wireType === WireType.LengthDelimited) {
    const packed = new WireReader(reader.bytes());
    while (!packed.isAtEnd) put(field, scalar.read(packed), message);
    return true;
  }
  if (wireType !== scalar.wireType) return false;
  put(field, scalar.read(reader), message);
  return true;
}

function put({ fieldKind, localName, oneof }: DescField, value: unknown, message: Fields): void {
  if (oneof !== undefined) message[oneof.localName] = { case: localName, value };
  else if (fieldKind === "list") (message[localName] as unknown[]).push(value);
  else message[localName] = value;
}
