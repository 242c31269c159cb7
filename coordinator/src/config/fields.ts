/**
 * The kinds of values in plans and configurations. Each says what it expects in words that follow "expected".
 */
import * as z from "zod";

/** Edit distance (Wagner and Fischer 1974), to guess which key was meant. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1]?.toLowerCase() === b[j - 1]?.toLowerCase() ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, changed));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** A key longer than this is not compared: nobody meant it. */
const MAX_COMPARED = 64;

/** The known word nearest to what came, or undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_COMPARED) return undefined;
  const ranked = known.map((name) => ({ name, edits: distance(word, name) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, Math.floor(best.name.length / 3)) ? best.name : undefined;
}

/** A mapping with exactly these keys. The message about another one is the list of the known ones. */
export function section<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, { error: (issue) => (issue.code === "unrecognized_keys" ? known : "a mapping") });
}

/** A line of text. */
export function text(maxLength = 200): z.ZodString {
  const expected = { error: `text of 1 to ${maxLength} characters on one line` };
  return z
    .string(expected)
    .min(1, expected)
    .max(maxLength, expected)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, expected)
    .refine((value) => value.trim() === value, { error: "text without spaces at its ends" });
}

/** A name that appears in file names, metrics and the ledger. */
export function identifier(): z.ZodString {
  const expected = {
    error: "a name of lower-case letters, digits and . _ -, at most 63 characters, as in lecturers-2025",
  };
  return z.string(expected).regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, expected);
}

/** A whole number in a range, ends included. */
export function integer(minimum: number, maximum: number): z.ZodNumber {
  const expected = { error: `a whole number from ${minimum} to ${maximum}` };
  return z.number(expected).int(expected).min(minimum, expected).max(maximum, expected);
}

/** A finite number above a bound, and at most another. */
export function above(bound: number, maximum: number = Number.MAX_VALUE): z.ZodNumber {
  const range = maximum === Number.MAX_VALUE ? "" : ` and at most ${maximum}`;
  const expected = { error: `a number above ${bound}${range}` };
  return z.number(expected).gt(bound, expected).max(maximum, expected);
}

/** A finite number between two bounds, ends included. */
export function between(minimum: number, maximum: number): z.ZodNumber {
  const expected = { error: `a number from ${minimum} to ${maximum}` };
  return z.number(expected).min(minimum, expected).max(maximum, expected);
}

/** One word of a few. */
export function oneOf<const Words extends readonly [string, ...string[]]>(
  words: Words,
): z.ZodEnum<z.core.util.ToEnum<Words[number]>> {
  return z.enum(words, { error: words.length === 1 ? words[0] : `one of ${words.join(", ")}` });
}

/** true or false. */
export function flag(): z.ZodBoolean {
  return z.boolean({ error: "true or false" });
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

type Unit = keyof typeof UNITS;

function isUnit(unit: string | undefined): unit is Unit {
  return unit !== undefined && Object.hasOwn(UNITS, unit);
}

function milliseconds(written: string): number {
  const [, count, unit] = /^([1-9][0-9]{0,8})(ms|s|m|h|d)$/.exec(written) ?? [];
  return isUnit(unit) ? Number(count) * UNITS[unit] : Number.NaN;
}

/** A time span like "30s", "5m" or "500ms", as milliseconds; at most `maximum` of them. */
export function duration(maximum: number = 7 * UNITS.d): z.ZodType<number, string> {
  const expected = { error: 'a time span like "30s", "5m" or "500ms", of at most 7 days' };
  return z
    .string(expected)
    .refine((written) => milliseconds(written) <= maximum, expected)
    .transform(milliseconds);
}
