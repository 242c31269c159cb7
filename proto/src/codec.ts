// Messages of the contract as bytes, and back: what protobuf-es does by reflection for all of Protocol Buffers, for the few
// kinds of fields that the contract has, at a fifth of the download. Messages look the same and encode to the same bytes.
import {
  type DescField,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A message's fields by their names in TypeScript. */
type Fields = Record<string, unknown>;

interface Scalar {
  readonly wireType: WireType;
  readonly zero: () => unknown;
  readonly read: (reader: BinaryReader) => unknown;
  readonly write: (writer: BinaryWriter, value: never) => BinaryWriter;
}

/** The scalar types that the contract uses; compact-descriptors.mjs refuses others. */
const SCALARS: ReadonlyMap<ScalarType, Scalar> = new Map<ScalarType, Scalar>([
  [
    ScalarType.STRING,
    { wireType: WireType.LengthDelimited, zero: () => "", read: (r) => r.string(true), write: (w, v) => w.string(v) },
  ],
  [
    ScalarType.BYTES,
    {
      wireType: WireType.LengthDelimited,
      zero: () => new Uint8Array(0),
      read: (r) => r.bytes(),
      write: (w, v) => w.bytes(v),
    },
  ],
  [
    ScalarType.BOOL,
    { wireType: WireType.Varint, zero: () => false, read: (r) => r.bool(), write: (w, v) => w.bool(v) },
  ],
  [
    ScalarType.UINT32,
    { wireType: WireType.Varint, zero: () => 0, read: (r) => r.uint32(), write: (w, v) => w.uint32(v) },
  ],
  [
    ScalarType.UINT64,
    { wireType: WireType.Varint, zero: () => 0n, read: (r) => r.uint64(), write: (w, v) => w.uint64(v) },
  ],
]);
const ENUM: Scalar = { wireType: WireType.Varint, zero: () => 0, read: (r) => r.int32(), write: (w, v) => w.int32(v) };

const IMPLICIT = 2;

function scalarOf(field: DescField): Scalar {
  const scalar = field.enum === undefined ? SCALARS.get(field.scalar ?? ScalarType.DOUBLE) : ENUM;
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
  return written(schema, message as Fields, new BinaryWriter()).finish();
}

function written(schema: DescMessage, message: Fields, writer: BinaryWriter): BinaryWriter {
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

function writeOne(field: DescField, value: unknown, writer: BinaryWriter): void {
  if (field.message !== undefined) {
    written(field.message, value as Fields, writer.tag(field.number, WireType.LengthDelimited).fork()).join();
    return;
  }
  const { wireType, write } = scalarOf(field);
  write(writer.tag(field.number, wireType), value as never);
}

function writeList(field: DescField, values: readonly unknown[], writer: BinaryWriter): void {
  if (field.fieldKind !== "list" || !field.packed) {
    for (const value of values) writeOne(field, value, writer);
  } else if (values.length > 0) {
    const { write } = scalarOf(field);
    writer.tag(field.number, WireType.LengthDelimited).fork();
    for (const value of values) write(writer, value as never);
    writer.join();
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
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = schema.fields.find((each) => each.number === number);
    if (field === undefined || !readField(field, wireType, reader, message)) reader.skip(wireType, number);
  }
  return message;
}

/** @returns whether the field is of that wire type, and was read */
function readField(field: DescField, wireType: WireType, reader: BinaryReader, message: Fields): boolean {
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
    const packed = new BinaryReader(reader.bytes());
    while (packed.pos < packed.len) put(field, scalar.read(packed), message);
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
