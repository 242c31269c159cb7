/** The command `fedloop` on the folder of a federation that has been closed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runFedloop } from "../../src/cli/program.js";
import { ORIGIN } from "../server/federation.js";

/** What a run of the command came to. */
export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function command(folder: string, ...words: string[]): Promise<CommandOutcome> {
  let out = "";
  let err = "";
  const config = join(folder, "fedloop.yaml");
  writeFileSync(config, `origin: ${ORIGIN}\ndataDir: ${folder}\nplans: [plan.yaml]\n`);
  const code = await runFedloop(["--config", config, ...words], {
    environment: {},
    signal: new AbortController().signal,
    input: async function* () {},
    print: (text) => {
      out += text;
    },
    complain: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}
