/** The command `fedloop`, in this process, as it is typed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runFedloop } from "../../src/cli/program.js";
import { type Federation, ORIGIN } from "../server/federation.js";

/** What a run of the command came to. */
export interface Typed {
  readonly exitCode: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

export interface TypedOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Aborted by what a person would press Ctrl-C for. */
  readonly signal?: AbortSignal;
  /** Standard input. */
  readonly input?: string;
  /** Hears what is printed while the command runs. */
  readonly onPrint?: (text: string) => void;
}

/** Runs a command line, without the command's own name. */
export async function typed(words: readonly string[], options: TypedOptions = {}): Promise<Typed> {
  const { environment = {}, signal = new AbortController().signal, input = "", onPrint } = options;
  const said = { out: "", err: "" };
  const exitCode = await runFedloop(words, {
    environment,
    signal,
    input: async function* () {
      if (input !== "") yield new TextEncoder().encode(input);
    },
    print: (text) => {
      said.out += text;
      onPrint?.(text);
    },
    complain: (text) => {
      said.err += text;
    },
  });
  return { exitCode, ...said };
}

export interface TypedJson extends Pick<Typed, "exitCode" | "err"> {
  // biome-ignore lint/suspicious/noExplicitAny: what was printed, for the test to look at
  readonly body: any;
}

/** The same with --json: what it printed as an object; undefined where it printed nothing. */
export async function typedJson(words: readonly string[], options?: TypedOptions): Promise<TypedJson> {
  const { exitCode, out, err } = await typed([...words, "--json"], options);
  return { exitCode, body: out === "" ? undefined : JSON.parse(out), err };
}

/** The same against the data folder of a federation, whether it runs or has been closed. */
export function typedFor({ folder, coordinator }: Federation, ...words: string[]): Promise<TypedJson> {
  const config = join(folder, "fedloop.yaml");
  const { httpPort } = coordinator;
  const http = httpPort === null ? "" : `http: { port: ${httpPort} }\n`;
  writeFileSync(config, `origin: ${ORIGIN}\nplans: [plan.yaml]\ndataDir: .\nvaultDir: ./vault\n${http}`);
  return typedJson(["--config", config, ...words]);
}
