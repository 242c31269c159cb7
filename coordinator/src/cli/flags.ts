/** Flags that every command has. */
import { type Command, Option } from "commander";

/** What a command with `--json` is given. */
export interface Json {
  readonly json: boolean;
}

/** `--json`. @param what the command prints then */
export function jsonOption(what: string = "print one JSON object"): Option {
  return new Option("--json", what).default(false, "text for people");
}

/** The path that `--config` names, of whichever command it was typed behind. */
export function configOf(command: Command): string {
  return command.optsWithGlobals<{ readonly config: string }>().config;
}
