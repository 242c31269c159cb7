/** Reading the project's Markdown, so that tests can hold it against what it speaks of. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { repository } from "./surroundings.js";

const NOT_OURS: ReadonlySet<string> = new Set(["node_modules", "dist", ".git", ".tap"]);

function* markdownFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!NOT_OURS.has(entry.name)) yield* markdownFiles(path);
    } else if (entry.name.endsWith(".md")) yield relative(repository, path);
  }
}

/** Paths of all Markdown files, relative to the repository, in order. */
export function allDocuments(): string[] {
  return [...markdownFiles(repository)].sort();
}

/** A file of the repository as text. */
export function text(path: string): string {
  return readFileSync(join(repository, path), "utf8");
}

/** Markdown without its code, in which brackets and parentheses mean something else. */
export function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
}

/** Anchors of a document's headings, as renderers make them. */
export function anchors(markdown: string): ReadonlySet<string> {
  const headings = markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} +(.+?) *$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\- _]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The code blocks right below a comment `<!-- KIND: NAME -->`. */
export function marked(markdown: string, kind: string): { readonly name: string; readonly code: string }[] {
  const blocks = markdown.matchAll(new RegExp(`^<!-- ${kind}: (.+) -->\\n\`\`\`[a-z]*\\n([\\s\\S]*?)^\`\`\``, "gm"));
  return [...blocks].map(([, name = "", code = ""]) => ({ name, code }));
}

/** The one code block of a kind and name. */
export function block(markdown: string, kind: string, name: string): string {
  const found = marked(markdown, kind).find((each) => each.name === name);
  if (found === undefined) throw new Error(`expected a block "${kind}: ${name}", there is none`);
  return found.code;
}

/** Rows of the table below a comment `<!-- table: NAME -->`, without its head, as cells without backquotes around them. */
export function table(markdown: string, name: string): string[][] {
  const [, body = ""] = new RegExp(`^<!-- table: ${name} -->\\n((?:\\|.*\\n)+)`, "m").exec(markdown) ?? [];
  const rows = body.trimEnd().split("\n").slice(2);
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, "$1")),
  );
}
