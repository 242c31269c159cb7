// Is a text already canonical? Reading it once decides that without writing the value again, which takes several times
// as long and leaves the text's size in garbage.
import { LedgerError } from "../errors.js";

const quote = 0x22;
const backslash = 0x5c;
const integer = /-?(?:0|[1-9][0-9]*)/y;
// Escapes that RFC 8785 §3.2.2.2 writes: two characters where JSON has them, else lower-case hexadecimal.
const escaped = /\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))/y;

function refuse(what: string, at: number): never {
  throw new LedgerError("NOT_CANONICAL", `The document is not canonical JSON: ${what} at character ${at + 1}.`);
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(maxDepth: number): void {
    this.#value(maxDepth);
    if (this.#at !== this.#text.length) refuse("something follows the value", this.#at);
  }

  #value(depthLeft: number): void {
    switch (this.#text.charCodeAt(this.#at)) {
      case quote:
        this.#string();
        return;
      case 0x7b:
        this.#object(this.#deeper(depthLeft));
        return;
      case 0x5b:
        this.#array(this.#deeper(depthLeft));
        return;
      case 0x74:
        this.#word("true");
        return;
      case 0x66:
        this.#word("false");
        return;
      case 0x6e:
        this.#word("null");
        return;
      default:
        this.#number();
    }
  }

  #deeper(depthLeft: number): number {
    if (depthLeft === 0) throw new LedgerError("TOO_DEEP", "JSON is nested deeper than the limit.");
    this.#at++;
    return depthLeft - 1;
  }

  #object(depthLeft: number): void {
    if (this.#take(0x7d)) return;
    let previous: string | undefined;
    do {
      const start = this.#at;
      if (this.#text.charCodeAt(start) !== quote) refuse("a member's name is missing", start);
      const hasEscapes = this.#string();
      const name = hasEscapes ? nameOf(this.#text.slice(start, this.#at)) : this.#text.slice(start + 1, this.#at - 1);
      if (name === "__proto__") refuse("a member is called __proto__", start);
      // Comparing strings compares UTF-16 code units, as RFC 8785 §3.2.3 demands.
      if (previous !== undefined && previous >= name) refuse("members are not sorted, or one stands twice", start);
      previous = name;
      if (!this.#take(0x3a)) refuse("a colon is missing", this.#at);
      this.#value(depthLeft);
    } while (this.#take(0x2c));
    if (!this.#take(0x7d)) refuse("an object is not closed", this.#at);
  }

  #array(depthLeft: number): void {
    if (this.#take(0x5d)) return;
    do this.#value(depthLeft);
    while (this.#take(0x2c));
    if (!this.#take(0x5d)) refuse("an array is not closed", this.#at);
  }

  /** Passes a string and answers whether it holds escapes. */
  #string(): boolean {
    const text = this.#text;
    let hasEscapes = false;
    let at = this.#at + 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === quote) break;
      if (code === backslash) {
        escaped.lastIndex = at;
        if (!escaped.test(text)) refuse("an escape is needless, or not in its shortest form", at);
        hasEscapes = true;
        at = escaped.lastIndex;
      } else if (code >= 0xd800 && code <= 0xdfff) {
        const next = text.charCodeAt(at + 1);
        if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) refuse("half of a surrogate pair", at);
        at += 2;
      } else if (code >= 0x20) {
        at++;
      } else {
        refuse(Number.isNaN(code) ? "a string is not closed" : "a control character is not escaped", at);
      }
    }
    this.#at = at + 1;
    return hasEscapes;
  }

  #number(): void {
    integer.lastIndex = this.#at;
    if (!integer.test(this.#text)) refuse("no value", this.#at);
    const digits = this.#text.slice(this.#at, integer.lastIndex);
    if (digits === "-0" || !Number.isSafeInteger(Number(digits)))
      refuse("a number that is no integer up to 2^53 − 1", this.#at);
    this.#at = integer.lastIndex;
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) refuse("no value", this.#at);
    this.#at += word.length;
  }

  #take(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at++;
    return true;
  }
}

function nameOf(quoted: string): string {
  return String(JSON.parse(quoted));
}

/**
 * Checks that a text is canonical JSON of the restricted profile (see `canonical.ts`).
 * @throws LedgerError NOT_CANONICAL, saying what and where; TOO_DEEP.
 */
export function checkCanonicalText(text: string, maxDepth: number): void {
  new Scanner(text).document(maxDepth);
}
