/**
 * The first key that occurs twice in one object of a JSON text, or undefined. `JSON.parse` keeps the last of them and
 * says nothing, so two readers could see two different files.
 *
 * @param text JSON that `JSON.parse` has accepted
 */
export function duplicateKey(text: string): string | undefined {
  const objects: Set<string>[] = [];
  // A string, then what tells whether it was a key; or a brace. Numbers and brackets are stepped over.
  const token = /"((?:[^"\\]|\\.)*)"(\s*:)?|[{}]/g;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] === "{") objects.push(new Set());
    else if (match[0] === "}") objects.pop();
    else if (match[2] !== undefined) {
      const key = String(JSON.parse(`"${match[1]}"`));
      const keys = objects.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
