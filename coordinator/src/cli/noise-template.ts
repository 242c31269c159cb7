/** Events with a noise that is still to be found. */
import { type DpEvent, parseDpEvent } from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The free noise multiplier, by itself or times a number: "z", "2.5 z". */
const FREE = /^(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*)?z$/i;

const DEEPEST = 40;

/** An event for every noise multiplier z. */
export interface NoiseTemplate {
  eventAt(z: number): DpEvent;
}

function refuse(message: string): never {
  throw new CoordinatorError("BAD_DATA", message);
}

function isJson(value: unknown): value is Json {
  return value === null || ["boolean", "number", "string", "object"].includes(typeof value);
}

/** Times z, for every place that is free; a number counts as a proportion where `isProportion` says so. */
function filled(value: Json, z: number, isProportion: boolean, key = "", depth = 0): Json {
  if (depth > DEEPEST) return refuse(`expected an event of at most ${DEEPEST} levels, came a deeper one`);
  if (typeof value === "string") {
    const [isFree, factor] = FREE.exec(value) ?? [];
    return isFree === undefined ? value : Number(factor ?? 1) * z;
  }
  if (key === "noiseMultiplier" && value === null) return z;
  if (key === "noiseMultiplier" && typeof value === "number" && isProportion) return value * z;
  if (Array.isArray(value)) return value.map((item) => filled(item, z, isProportion, "", depth + 1));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, inner]) => [name, filled(inner, z, isProportion, name, depth + 1)]));
}

function has(value: Json, isFound: (key: string, value: Json) => boolean, key = "", depth = 0): boolean {
  if (depth > DEEPEST) return refuse(`expected an event of at most ${DEEPEST} levels, came a deeper one`);
  if (isFound(key, value)) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, inner]) => has(inner, isFound, name, depth + 1));
}

/**
 * Reads an event whose noise is free. Free are the numbers written "z" (or "2.5 z", 2.5 times as much) and a
 * `noiseMultiplier` of null. Where nothing is marked, every `noiseMultiplier` is free, and its number says how it compares
 * with the others.
 *
 * @throws CoordinatorError BAD_DATA when nothing in it is free
 * @throws PrivacyError UNKNOWN_EVENT, INVALID_EVENT
 */
export function noiseTemplate(json: unknown): NoiseTemplate {
  if (!isJson(json)) return refuse("expected an event as JSON");
  const isMarked = has(
    json,
    (key, value) => (typeof value === "string" && FREE.test(value)) || (key === "noiseMultiplier" && value === null),
  );
  if (!isMarked && !has(json, (key, value) => key === "noiseMultiplier" && typeof value === "number")) {
    return refuse(
      'expected an event with noise to be found, as in {"type":"Gaussian","noiseMultiplier":"z"}, came one without',
    );
  }
  const eventAt = (z: number): DpEvent => parseDpEvent(filled(json, z, !isMarked));
  eventAt(1);
  return { eventAt };
}
