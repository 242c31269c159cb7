/**
 * Reads what a person wrote in YAML and tells, for everything that is wrong, on which line and under which key. One
 * document, plain data: no anchors, no aliases, no tags, no key twice.
 */
import { type FileHandle, open } from "node:fs/promises";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  visit,
  type YAMLMap,
} from "yaml";
import type * as z from "zod";
import { CoordinatorError, type CoordinatorErrorCode } from "../errors.js";
import { nearest } from "./fields.js";

/** The largest plan or configuration that is read, in bytes. */
export const MAX_YAML_BYTES: number = 256 << 10;

/** What is read of a file at a time: most are smaller. */
const PART_BYTES = 16 << 10;
/** Errors told at once: the rest is mostly their consequence. */
const MAX_TOLD = 20;
/** A value in a message is cut here, in characters. */
const MAX_SHOWN = 60;

type Path = readonly PropertyKey[];

/** A document that is YAML; what its values mean is not yet known. */
export interface YamlDocument {
  /** The file's name, for messages. */
  readonly name: string;
  readonly value: unknown;
  /** "name:line:column" of the node at a path, or of the nearest one above it that is there. */
  where(path: Path): string;
  /** "name:line:column" of a key in the mapping at a path. */
  whereKey(path: Path, key: string): string;
}

/** Which of the package's codes an error in such a document has. */
export type YamlErrorCode = Extract<CoordinatorErrorCode, "BAD_PLAN" | "BAD_CONFIG">;

function position(name: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${name}:${line}:${col}`;
}

/** The offset of what stands at the path, as far down as it goes. */
function offsetAt(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of path) {
    const next: unknown = isMap(node) || isSeq(node) ? node.get(typeof step === "symbol" ? "" : step, true) : undefined;
    if (!isNode(next)) break;
    node = next;
    offset = next.range?.[0] ?? offset;
  }
  return offset;
}

function keyOffset(document: Document.Parsed, path: Path, key: string): number {
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  if (isMap(node)) {
    for (const pair of node.items) {
      if (isScalar(pair.key) && String(pair.key.value) === key) return pair.key.range?.[0] ?? offsetAt(document, path);
    }
  }
  return offsetAt(document, path);
}

function refuseRepeatedKeys(map: YAMLMap, refuse: (offset: number, message: string) => never): void {
  const seen = new Set<string>();
  for (const { key } of map.items) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    if (seen.has(name)) refuse(key.range?.[0] ?? 0, `expected each key once, came ${shown(name)} again`);
    seen.add(name);
  }
}

function refusePlainless(contents: ParsedNode | null, refuse: (offset: number, message: string) => never): void {
  visit(contents, (_, node) => {
    if (isMap(node)) refuseRepeatedKeys(node, refuse);
    if (isAlias(node)) refuse(node.range?.[0] ?? 0, "aliases (*name) are not read here; write the value out");
    if (isNode(node) && !isAlias(node) && node.anchor !== undefined) {
      refuse(node.range?.[0] ?? 0, "anchors (&name) are not read here; write the value out");
    }
    if (isNode(node) && node.tag?.startsWith("!")) refuse(node.range?.[0] ?? 0, "tags (!name) are not read here");
  });
}

/**
 * Parses a text.
 *
 * @param name of the file, for messages
 * @throws CoordinatorError of the given code, with line and column
 */
export function parseYaml(name: string, text: string, code: YamlErrorCode): YamlDocument {
  const lines = new LineCounter();
  const refuse = (offset: number, message: string, cause?: unknown): never => {
    throw new CoordinatorError(code, `${position(name, lines, offset)} ${message}`, { cause });
  };
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      // Checked below: the library compares every key with every other.
      uniqueKeys: false,
      version: "1.2",
      schema: "core",
      logLevel: "error",
    });
  } catch (cause) {
    // The parser descends by recursion: a text nested thousands deep ends here.
    throw new CoordinatorError(code, `${name} expected plain YAML, came a text that is nested too deep`, { cause });
  }
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault?.code === "MULTIPLE_DOCS") refuse(fault.pos[0], "expected one document, came a second one");
  if (fault?.code === "RESOURCE_EXHAUSTION") refuse(fault.pos[0], "expected plain YAML, came a text nested too deep");
  if (fault !== undefined) refuse(fault.pos[0], fault.message, fault);
  refusePlainless(document.contents, refuse);
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  return {
    name,
    value,
    where: (path) => position(name, lines, offsetAt(document, path)),
    whereKey: (path, key) => position(name, lines, keyOffset(document, path, key)),
  };
}

async function readBounded(file: FileHandle, maxBytes: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const part = new Uint8Array(Math.min(PART_BYTES, maxBytes + 1 - total));
    const { bytesRead } = await file.read(part, 0, part.length);
    if (bytesRead === 0) return Buffer.concat(parts);
    total += bytesRead;
    if (total > maxBytes) return undefined;
    parts.push(part.subarray(0, bytesRead));
  }
}

/**
 * Reads a file that a person wrote, without ever holding more than the bound.
 *
 * @throws CoordinatorError FILE_UNREADABLE when it is missing, not to be read or larger than `maxBytes`
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const bytes = await readBounded(file, maxBytes);
    if (bytes !== undefined) return bytes;
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "an error";
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected a readable file at ${path}, came ${reason}; check the path`,
      {
        cause,
      },
    );
  } finally {
    await file?.close();
  }
  throw new CoordinatorError("FILE_UNREADABLE", `expected at most ${maxBytes} bytes in ${path}, came more`);
}

/**
 * Reads and parses a file of at most `MAX_YAML_BYTES`.
 *
 * @throws CoordinatorError FILE_UNREADABLE, or the given code when it is not UTF-8 or not plain YAML
 */
export async function readYamlFile(path: string, code: YamlErrorCode): Promise<YamlDocument> {
  const bytes = await readSmallFile(path, MAX_YAML_BYTES);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CoordinatorError(code, `${path} expected UTF-8 text, came other bytes; save it as UTF-8`, { cause });
  }
  return parseYaml(path, text, code);
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return at;
}

/** User and password of an address: what a refusal says is logged, and may be sent to others. */
const USER_IN_URL = /\/\/\S*@/g;

/** A value as a person would recognise it, without passwords. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value).replaceAll(USER_IN_URL, "//…@") : String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function keyName(path: Path): string {
  const name = path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : `${text}${text === "" ? "" : "."}${String(step)}`),
    "",
  );
  return name === "" ? "the document" : name;
}

/** What tells one thing that is wrong: told only when asked, since a hostile file has thousands. */
function tellers(document: YamlDocument, issue: z.core.$ZodIssue): (() => string)[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => () => tellUnknown(document, issue, key));
  return [() => tellValue(document, issue)];
}

function tellUnknown(document: YamlDocument, { path, message }: z.core.$ZodIssue, key: string): string {
  const place = `${document.whereKey(path, key)} ${keyName([...path, key])}`;
  const guess = nearest(key, message.split(", "));
  return guess === undefined
    ? `${place}: expected one of the keys ${message}, came another`
    : `${place}: expected a known key, came this one; did you mean ${guess}?`;
}

function tellValue(document: YamlDocument, { path, message }: z.core.$ZodIssue): string {
  const place = `${document.where(path)} ${keyName(path)}`;
  // What compares several keys says all of it; what looks at one value says what it expects.
  if (message.startsWith("expected ")) return `${place}: ${message}`;
  return `${place}: expected ${message}, came ${shown(valueAt(document.value, path))}`;
}

/**
 * Checks a document against a schema made of `fields.ts`.
 *
 * @throws CoordinatorError of the given code; its message has one clause for each thing that is wrong, in the form
 * `plan.yaml:12:3 privacy.clipNorm: expected a number above 0, came "six"`
 */
export function checkYaml<S extends z.ZodType>(document: YamlDocument, schema: S, code: YamlErrorCode): z.output<S> {
  const result = schema.safeParse(document.value);
  if (result.success) return result.data;
  const all = result.error.issues.flatMap((issue) => tellers(document, issue));
  const told = all.slice(0, MAX_TOLD).map((tell) => tell());
  const more = all.length > MAX_TOLD ? `; and ${all.length - MAX_TOLD} more` : "";
  throw new CoordinatorError(code, `${told.join("; ")}${more}`, { cause: result.error });
}
