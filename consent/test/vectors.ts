import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// consent/dist/test → repository root
const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const folder = process.env.FEDLOOP_VECTORS ?? join(root, "../shared/vectors");

/** The parsed vector file, or undefined where the folder of reference vectors is absent. */
export function vectors(name: string): unknown {
  const path = join(folder, name);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}
