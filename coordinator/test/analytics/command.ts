/** The command `fedloop` on the folder of a federation that has been closed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Typed, typed } from "../cli/typed.js";
import { ORIGIN } from "../server/federation.js";

export function command(folder: string, ...words: string[]): Promise<Typed> {
  const config = join(folder, "fedloop.yaml");
  writeFileSync(config, `origin: ${ORIGIN}\ndataDir: ${folder}\nplans: [plan.yaml]\n`);
  return typed(["--config", config, ...words]);
}
