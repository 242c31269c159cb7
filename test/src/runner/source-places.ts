import { existsSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, relative, resolve } from "node:path";

const FILE = String.raw`(\/?(?:[\w.@-]+\/)+[\w.@-]+\.js)`;
/** As a stack has it. */
const PLACE = new RegExp(String.raw`(?:file:\/\/)?${FILE}:(\d+):(\d+)`, "g");
/** As tap has it. */
const FIELDS = new RegExp(String.raw`(fileName: )${FILE}(\n\s*lineNumber: )(\d+)(\n\s*columnNumber: )(\d+)`, "g");

/**
 * Text with its places in compiled files replaced by those in their sources. Node could do that in each test's process
 * (`--enable-source-maps`), but reads the map of every module for it, whether anything fails or not.
 *
 * @param root what paths are relative to
 */
export function withSourcePlaces(text: string, root: string): string {
  return text
    .replace(PLACE, (all, file: string, line: string, column: string) => {
      const place = placeInSource(root, file, Number(line), Number(column));
      return place === undefined ? all : `${place.file}:${place.line}:${place.column}`;
    })
    .replace(FIELDS, (all, name: string, file: string, nextLine: string, line: string, nextColumn: string, column) => {
      const place = placeInSource(root, file, Number(line), Number(column));
      return place === undefined ? all : `${name}${place.file}${nextLine}${place.line}${nextColumn}${place.column}`;
    });
}

function placeInSource(root: string, file: string, line: number, column: number) {
  const map = `${resolve(root, file)}.map`;
  if (!existsSync(map)) return undefined;
  const origin = new SourceMap(JSON.parse(readFileSync(map, "utf8"))).findOrigin(line, column);
  if (!("fileName" in origin)) return undefined;
  const source = relative(root, resolve(dirname(map), origin.fileName));
  return { file: source, line: origin.lineNumber, column: origin.columnNumber };
}
