import { existsSync, readFileSync } from "node:fs";

/** Where the reference values lie: beside the repository, or where FEDLOOP_VECTORS says. */
const folder = process.env.FEDLOOP_VECTORS ?? new URL("../../../../../shared/vectors", import.meta.url).pathname;

/** The parsed file, or undefined on a machine without the folder. */
export function sharedVectors(name: string): unknown {
  const path = `${folder}/${name}`;
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}
