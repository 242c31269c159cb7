// Writes the descriptors of the generated files out as `compactFile` takes them, in the place of their binary form. Run by
// `npm run generate`, after buf.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileDesc } from "@bufbuild/protobuf/codegenv2";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "src", "gen", "fedloop", "v1");
const CALL = /fileDesc\("([A-Za-z0-9+/=]+)"(?:, \[([^\]]*)\])?\)/;
const EXPLICIT = 1;
/** STRING, BYTES, BOOL, UINT32, UINT64: what src/codec.ts reads and writes. */
const SCALARS = new Set([9, 12, 8, 13, 4]);

const files = new Map();

/** A file's descriptor; those that it imports come first. */
function load(name) {
  if (files.has(name)) return files.get(name);
  const path = join(FOLDER, name);
  const text = readFileSync(path, "utf8");
  const call = CALL.exec(text);
  if (call === null) throw new Error(`expected a descriptor in ${path}, as protoc-gen-es writes it`);
  const imports = call[2] === undefined ? [] : call[2].split(", ");
  const descriptors = imports.map((each) => load(`${each.slice("file_fedloop_v1_".length)}_pb.ts`).descriptor);
  const loaded = { path, text, call: call[0], imports, descriptor: fileDesc(call[1], descriptors) };
  files.set(name, loaded);
  return loaded;
}

function refuse(descriptor, what) {
  throw new Error(`${descriptor}: ${what}: compactFile cannot express that yet`);
}

function fieldOf(field) {
  if (field.fieldKind === "map") refuse(field, "a map");
  if (field.scalar !== undefined && !SCALARS.has(field.scalar)) refuse(field, "another scalar type");
  const type = field.message?.typeName ?? field.enum?.typeName ?? field.scalar;
  const isOptional = field.presence === EXPLICIT && field.message === undefined;
  const shape = field.oneof?.name ?? (field.fieldKind === "list" ? "repeated" : isOptional ? "optional" : undefined);
  return [field.name, field.number, type, ...(shape === undefined ? [] : [shape])];
}

function messageOf(message) {
  if (message.nestedEnums.length > 0) refuse(message, "an enum inside");
  const nested = message.nestedMessages.map(messageOf);
  return [message.name, message.fields.map(fieldOf), ...(nested.length === 0 ? [] : [nested])];
}

function enumOf(descriptor) {
  const prefix = (descriptor.sharedPrefix ?? "").toUpperCase();
  return [descriptor.name, prefix, descriptor.values.map(({ localName, number }) => [localName, number])];
}

function methodOf({ name, methodKind, input, output }) {
  if (methodKind !== "unary" && methodKind !== "server_streaming") refuse(name, "a stream from the client");
  return [name, input.typeName, output.typeName, ...(methodKind === "unary" ? [] : [true])];
}

function serviceOf({ name, methods }) {
  return [name, methods.map(methodOf)];
}

for (const name of readdirSync(FOLDER)) load(name);
for (const { path, text, call, imports, descriptor } of files.values()) {
  const { messages, enums, services } = descriptor;
  const parts = [
    ["messages", messages.map(messageOf)],
    ["enums", enums.map(enumOf)],
    ["services", services.map(serviceOf)],
  ].filter(([, defined]) => defined.length > 0);
  const lines = parts.map(
    ([key, defined]) => `    ${key}: [\n${defined.map((each) => `      ${JSON.stringify(each)},\n`).join("")}    ],\n`,
  );
  const rest = imports.length === 0 ? "" : `, [${imports.join(", ")}]`;
  const written = text
    .replace(call, () => `compactFile(${JSON.stringify(`${descriptor.name}.proto`)}, {\n${lines.join("")}  }${rest})`)
    .replace(/^(import \{[^}]*?)fileDesc, ?/m, "$1")
    .replace(/^(import type \{ Message \} .*)$/m, '$1\nimport { compactFile } from "../../../compact-file.js";');
  writeFileSync(path, written);
}
