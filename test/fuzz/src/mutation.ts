/** Reproducible numbers from 0 to 1 (mulberry32): a seed and an input's number give the same input on every machine. */
export type Draw = () => number;

export function drawsOf(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function below(draw: Draw, bound: number): number {
  return Math.floor(draw() * bound);
}

export function one<T>(draw: Draw, items: readonly T[]): T {
  const item = items[below(draw, items.length)];
  if (item === undefined) throw new Error("expected something to choose from");
  return item;
}

/** No mutation makes an input longer than this: decoders meet longer ones behind bounds of their own. */
const LONGEST = 1 << 16;

const INTERESTING = [0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x30, 0x5c, 0x7b, 0x7f, 0x80, 0xc0, 0xed, 0xfe, 0xff];

/** Changes bytes in one place or a few: flips, replaces, removes, doubles, swaps and cuts, or goes on as another seed does. */
export function mutateBytes(seeds: readonly Uint8Array[], draw: Draw): Uint8Array {
  let bytes = one(draw, seeds).slice();
  for (let step = below(draw, 4); step >= 0; step--) {
    const at = below(draw, bytes.length + 1);
    const end = Math.min(at + 1 + below(draw, draw() < 0.7 ? 8 : 256), bytes.length);
    switch (below(draw, 8)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(draw, 8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = one(draw, INTERESTING);
        break;
      case 2:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(end));
        break;
      case 3:
        bytes = joined(bytes.subarray(0, end), bytes.subarray(at));
        break;
      case 4:
        bytes = bytes.slice(0, at);
        break;
      case 5: {
        const other = one(draw, seeds);
        bytes = joined(bytes.subarray(0, at), other.subarray(below(draw, other.length + 1)));
        break;
      }
      case 6:
        bytes = joined(
          bytes.subarray(0, at),
          Uint8Array.from({ length: 1 + below(draw, 12) }, () => below(draw, 256)),
          bytes.subarray(at),
        );
        break;
      default:
        // A length or a count that says something else, little and big end first.
        if (at + 4 <= bytes.length) {
          const value = one(draw, [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, bytes.length, bytes.length + 1]);
          new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, draw() < 0.5);
        }
    }
  }
  return bytes.subarray(0, LONGEST);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

const WORDS = [
  "",
  " ",
  "-1",
  "0",
  "00",
  "1e999",
  "0x10",
  "9007199254740993",
  "NaN",
  "null",
  "true",
  "{}",
  "[]",
  '"',
  "\\u0000",
  "\n",
  "\r\n",
  "\u2028",
  "\ud800",
  "é",
  "=",
  "—",
  "../",
  "__proto__",
  "constructor",
  "&a",
  "*a",
  "<<",
  "!!js/function",
  "- ",
  ": ",
  "#",
  "A".repeat(300),
];

/** Changes a text in one place or a few: tokens become others, lines are doubled, swapped, removed. */
export function mutateText(seeds: readonly string[], draw: Draw): string {
  let text = one(draw, seeds);
  for (let step = below(draw, 4); step >= 0; step--) {
    const lines = text.split("\n");
    const line = below(draw, lines.length);
    switch (below(draw, 6)) {
      case 0: {
        const tokens = [...text.matchAll(/[A-Za-z0-9_+/=.-]+/g)];
        const token = tokens[below(draw, tokens.length)];
        if (token !== undefined) {
          text = text.slice(0, token.index) + one(draw, WORDS) + text.slice(token.index + token[0].length);
        }
        break;
      }
      case 1:
        text = lines.toSpliced(line, 0, one(draw, lines)).join("\n");
        break;
      case 2:
        text = lines.toSpliced(line, 1).join("\n");
        break;
      case 3: {
        const at = below(draw, text.length + 1);
        text = text.slice(0, at) + one(draw, WORDS) + text.slice(at + below(draw, 3));
        break;
      }
      case 4:
        text = text.slice(0, below(draw, text.length + 1)) + (draw() < 0.5 ? "" : one(draw, seeds));
        break;
      default:
        text = lines.with(line, `${" ".repeat(below(draw, 5))}${(lines[line] ?? "").trimStart()}`).join("\n");
    }
  }
  return text.slice(0, LONGEST);
}

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  2 ** 53,
  1e308,
  "",
  "0",
  "\ud800",
  "A".repeat(100),
  [],
  {},
  [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],
];

/** A copy: what is changed further must not change for the next input. */
function hostile(draw: Draw): unknown {
  return structuredClone(one(draw, VALUES));
}

/** Changes a JSON document by its structure: values become others, members are added, renamed, removed, doubled. */
export function mutateJson(seeds: readonly string[], draw: Draw): string {
  if (draw() < 0.3) return mutateText(seeds, draw);
  const root: unknown = JSON.parse(one(draw, seeds));
  for (let step = below(draw, 3); step >= 0; step--) changeSomewhere(root, draw);
  return JSON.stringify(root);
}

function changeSomewhere(node: unknown, draw: Draw): void {
  if (typeof node !== "object" || node === null) return;
  const names = Object.keys(node);
  const name = names[below(draw, names.length)];
  const child: unknown = name === undefined ? undefined : Reflect.get(node, name);
  if (name !== undefined && typeof child === "object" && child !== null && draw() < 0.75) {
    changeSomewhere(child, draw);
    return;
  }
  if (Array.isArray(node)) {
    const at = below(draw, node.length + 1);
    node.splice(at, below(draw, 2), draw() < 0.5 ? hostile(draw) : structuredClone(node[at] ?? null));
    return;
  }
  const record = node as Record<string, unknown>;
  if (name !== undefined && draw() < 0.6) record[name] = hostile(draw);
  else if (name !== undefined && draw() < 0.5) delete record[name];
  else {
    // As JSON.parse makes it: a member of its own, also where its name is __proto__.
    const key = one(draw, ["extra", "", "constructor", "toString", "__proto__", name ?? "x"]);
    const value = hostile(draw);
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  }
}
