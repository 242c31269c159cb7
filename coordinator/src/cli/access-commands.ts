import { type Command, Option } from "commander";
import { ROLES, type Role } from "../access/access-tokens.js";
import { nameOfHost, populationName, someText, timeSpan, wholeNumber } from "./arguments.js";
import { configOf, type Json, jsonOption } from "./flags.js";
import type { Surroundings } from "./surroundings.js";

interface CreateFlags extends Json {
  readonly role: Role;
  readonly name: string;
  readonly population?: readonly string[];
  readonly expiresIn: number;
}

/** A time whose default help shows as one types it. */
function spanOption(flags: string, description: string, usual: string): Option {
  return new Option(flags, description).argParser(timeSpan).default(timeSpan(usual), usual);
}

/** `fedloop tokens …`: who may use the HTTP API. */
export function addTokens(program: Command, surroundings: Surroundings): void {
  const tokens = program.command("tokens").description("tokens of the HTTP API; a coordinator may run meanwhile");
  tokens
    .command("create")
    .description("make a token and print it, the one time that it is shown")
    .addOption(new Option("--role <role>", "what its holder may do").choices(ROLES).makeOptionMandatory())
    .requiredOption("--name <name>", "who or what holds it", someText)
    .option("--population <name...>", "the populations that it speaks for; all unless given")
    .addOption(spanOption("--expires-in <time>", "how long it is good for, as in 90d or 12h", "90d"))
    .addOption(jsonOption())
    .action(async ({ json, role, name, population, expiresIn }: CreateFlags, command: Command) => {
      const { createToken } = await import("./tokens.js");
      const terms = { name, role, populations: population ?? null, lifeMs: expiresIn };
      await createToken({ config: configOf(command), json }, terms, surroundings);
    });
  tokens
    .command("list")
    .description("list tokens, without their secrets")
    .addOption(jsonOption())
    .action(async ({ json }: Json, command: Command) => {
      const { listTokens } = await import("./tokens.js");
      await listTokens({ config: configOf(command), json }, surroundings);
    });
  tokens
    .command("revoke")
    .description("end a token at once")
    .argument("<id>", "as the list shows it")
    .addOption(jsonOption())
    .action(async (id: string, { json }: Json, command: Command) => {
      const { revokeToken } = await import("./tokens.js");
      await revokeToken({ config: configOf(command), json }, id, surroundings);
    });
  tokens
    .command("rotate")
    .description("make a token in the place of another and print it; the one before ends a little later")
    .argument("<id>", "as the list shows it")
    .addOption(spanOption("--grace <time>", "for how long the one before stays good", "1d"))
    .addOption(jsonOption())
    .action(async (id: string, { json, grace }: Json & { grace: number }, command: Command) => {
      const { rotateToken } = await import("./tokens.js");
      await rotateToken({ config: configOf(command), json }, id, grace, surroundings);
    });
}

interface InvitationFlags extends Json {
  readonly name: string;
  readonly population?: string;
  readonly uses: number;
  readonly expiresIn: number;
}

/** `fedloop invitations …`: who may enroll where the configuration asks for an invitation. */
export function addInvitations(program: Command, surroundings: Surroundings): void {
  const invitations = program
    .command("invitations")
    .description("invitations to enroll; a coordinator may run meanwhile");
  invitations
    .command("create")
    .description("make an invitation and print it, the one time that it is shown")
    .requiredOption("--name <name>", "whom it is for", someText)
    .option("--population <name>", "the population that it lets in; all unless given", populationName)
    .option("--uses <n>", "how many devices it lets in", wholeNumber(1), 1)
    .addOption(spanOption("--expires-in <time>", "how long it is good for, as in 7d or 12h", "7d"))
    .addOption(jsonOption())
    .action(async ({ json, name, population, uses, expiresIn }: InvitationFlags, command: Command) => {
      const { createInvitation } = await import("./tokens.js");
      const terms = { name, population: population ?? null, uses, lifeMs: expiresIn };
      await createInvitation({ config: configOf(command), json }, terms, surroundings);
    });
  invitations
    .command("list")
    .description("list invitations, with how often each was used")
    .addOption(jsonOption())
    .action(async ({ json }: Json, command: Command) => {
      const { listInvitations } = await import("./tokens.js");
      await listInvitations({ config: configOf(command), json }, surroundings);
    });
  invitations
    .command("revoke")
    .description("end an invitation at once; who is in stays in")
    .argument("<id>", "as the list shows it")
    .addOption(jsonOption())
    .action(async (id: string, { json }: Json, command: Command) => {
      const { revokeInvitation } = await import("./tokens.js");
      await revokeInvitation({ config: configOf(command), json }, id, surroundings);
    });
}

/** `fedloop init`: the files of a coordinator that can be started. */
export function addInit(program: Command, surroundings: Surroundings): void {
  program
    .command("init")
    .description("write a commented configuration, a sample plan and notice, and certificates for development")
    .argument("[dir]", "folder to write into, made where there is none", ".")
    .option("--population <name>", "name of the plan's population", populationName, "example")
    .option("--host <name>", "a name or address of the server, beside localhost; may be repeated", nameOfHost, [])
    .addOption(jsonOption())
    .action(async (folder: string, { population, host, json }: Json & { population: string; host: string[] }) => {
      const { initialise } = await import("./init.js");
      await initialise({ folder, population, hosts: host, json }, surroundings);
    });
}
