// Descriptors without what only a compiler reads. protobuf-es makes a file's descriptor from its binary form when a program
// starts, and the code for that is a large part of what a page downloads; here the few facts that encoding takes are written
// out, by compact-descriptors.mjs, and joined.
import type {
  DescEnum,
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescOneof,
  DescService,
} from "@bufbuild/protobuf";
import { BYTES, STRING } from "./scalar-types.js";

/**
 * A field: its name as in the source, its number, a scalar type or the full name of a message or enum, and where it is not a
 * plain singular one "optional", "repeated", or the name of its oneof.
 */
export type CompactField = readonly [name: string, number: number, type: number | string, shape?: string];
export type CompactMessage = readonly [
  name: string,
  fields: readonly CompactField[],
  nested?: readonly CompactMessage[],
];
/** Values are named without the prefix that they share. */
export type CompactEnum = readonly [name: string, prefix: string, values: readonly (readonly [string, number])[]];
/** Methods with the names of their messages; `streams` when the answer is a stream. */
export type CompactService = readonly [
  name: string,
  methods: readonly (readonly [name: string, input: string, output: string, streams?: boolean])[],
];

/** What a file defines. */
export interface CompactFile {
  readonly messages?: readonly CompactMessage[];
  readonly enums?: readonly CompactEnum[];
  readonly services?: readonly CompactService[];
}

const EDITION_PROTO3 = 999;
/** google.protobuf.FeatureSet.FieldPresence */
const EXPLICIT = 1;
const IMPLICIT = 2;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Types = Map<string, DescMessage | DescEnum>;

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function localNameOf(method: string): string {
  return method.charAt(0).toLowerCase() + method.slice(1);
}

/**
 * A file's descriptor, for proto3 without maps, groups, options and extensions: compact-descriptors.mjs refuses those.
 *
 * @param name of the source file, with its ending
 * @param imports the files whose types it uses
 */
export function compactFile(name: string, defined: CompactFile, imports: readonly DescFile[] = []): DescFile {
  const packageName = name.split("/").slice(0, -1).join(".");
  const types: Types = new Map();
  for (const { messages, enums } of imports) for (const type of [...messages, ...enums]) types.set(type.typeName, type);
  const file = {
    kind: "file",
    edition: EDITION_PROTO3,
    name: name.replace(/\.proto$/, ""),
    proto: { name, package: packageName },
    dependencies: imports,
    deprecated: false,
    extensions: [],
    toString: () => `file ${name}`,
  } as unknown as Mutable<DescFile>;
  file.enums = (defined.enums ?? []).map((each) => enumOf(each, packageName, file, types));
  const open: (() => void)[] = [];
  file.messages = (defined.messages ?? []).map((each) => messageOf(each, packageName, undefined, file, types, open));
  for (const complete of open) complete();
  file.services = (defined.services ?? []).map((each) => serviceOf(each, packageName, file, types));
  return file;
}

function enumOf([name, prefix, values]: CompactEnum, scope: string, file: DescFile, types: Types): DescEnum {
  const typeName = `${scope}.${name}`;
  const parts = {
    kind: "enum",
    typeName,
    name,
    file,
    open: true,
    sharedPrefix: prefix.toLowerCase(),
    deprecated: false,
  };
  const descriptor = {
    ...parts,
    parent: undefined,
    toString: () => `enum ${typeName}`,
  } as unknown as Mutable<DescEnum>;
  descriptor.values = values.map(([localName, number]) => {
    const name = prefix + localName;
    const value = { kind: "enum_value", name, localName, number, parent: descriptor, deprecated: false };
    return { ...value, toString: () => `enum value ${typeName}.${name}` } as unknown as DescEnum["values"][number];
  });
  descriptor.value = Object.fromEntries(descriptor.values.map((value) => [value.number, value]));
  types.set(typeName, descriptor);
  return descriptor;
}

/** @param open told how to complete the message once all types are known */
function messageOf(
  [name, fields, nested = []]: CompactMessage,
  scope: string,
  parent: DescMessage | undefined,
  file: DescFile,
  types: Types,
  open: (() => void)[],
): DescMessage {
  const typeName = `${scope}.${name}`;
  const parts = { kind: "message", typeName, name, file, parent, fields: [], field: {}, oneofs: [], members: [] };
  const none = { nestedEnums: [], nestedExtensions: [], deprecated: false, toString: () => `message ${typeName}` };
  const descriptor = { ...parts, ...none } as unknown as Mutable<DescMessage>;
  types.set(typeName, descriptor);
  descriptor.nestedMessages = nested.map((each) => messageOf(each, typeName, descriptor, file, types, open));
  open.push(() => {
    for (const field of fields) addField(descriptor, field, types);
  });
  return descriptor;
}

function addField(message: DescMessage, [name, number, type, shape = ""]: CompactField, types: Types): void {
  const isList = shape === "repeated";
  const oneof = isList || shape === "" || shape === "optional" ? undefined : oneofOf(message, shape);
  const localName = camelCase(name);
  const named = typeof type === "string" ? types.get(type) : undefined;
  const kind = named?.kind ?? "scalar";
  const isPackable = kind === "enum" || (kind === "scalar" && type !== STRING && type !== BYTES);
  const hasPresence = !isList && (shape !== "" || kind === "message");
  const field = {
    kind: "field",
    ...{ name, localName, jsonName: localName, number, parent: message, oneof, deprecated: false },
    fieldKind: isList ? "list" : kind,
    listKind: isList ? kind : undefined,
    scalar: kind === "scalar" ? type : undefined,
    message: kind === "message" ? named : undefined,
    enum: kind === "enum" ? named : undefined,
    presence: hasPresence ? EXPLICIT : IMPLICIT,
    ...{ utf8Validation: true, longAsString: false, mapKind: undefined, mapKey: undefined },
    delimitedEncoding: kind === "message" ? false : undefined,
    packed: isList ? isPackable : undefined,
    getDefaultValue: isList ? undefined : () => undefined,
    toString: () => `field ${message.typeName}.${name}`,
  } as unknown as DescField;
  message.fields.push(field);
  message.field[localName] = field;
  if (oneof === undefined) message.members.push(field);
  else oneof.fields.push(field);
}

function oneofOf(message: DescMessage, name: string): DescOneof {
  const known = message.oneofs.find((oneof) => oneof.name === name);
  if (known !== undefined) return known;
  const parts = { kind: "oneof", name, localName: camelCase(name), parent: message, fields: [], deprecated: false };
  const oneof = { ...parts, toString: () => `oneof ${message.typeName}.${name}` } as unknown as DescOneof;
  message.oneofs.push(oneof);
  message.members.push(oneof);
  return oneof;
}

function serviceOf([name, methods]: CompactService, scope: string, file: DescFile, types: Types): DescService {
  const typeName = `${scope}.${name}`;
  const parts = { kind: "service", typeName, name, file, deprecated: false, toString: () => `service ${typeName}` };
  const service = parts as unknown as Mutable<DescService>;
  service.methods = methods.map(([name, input, output, streams = false]) => {
    const messages = { input: types.get(input), output: types.get(output) };
    const names = { name, localName: localNameOf(name), toString: () => `rpc ${typeName}.${name}` };
    const methodKind = streams ? "server_streaming" : "unary";
    const parts = { kind: "rpc", methodKind, parent: service, idempotency: 0, deprecated: false };
    return { ...parts, ...names, ...messages } as unknown as DescMethod;
  });
  service.method = Object.fromEntries(service.methods.map((method) => [method.localName, method]));
  return service;
}
