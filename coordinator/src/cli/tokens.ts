import type { AccessStore } from "../access/access-store.js";
import { AccessTokens, type ListedToken, type MadeToken, type TokenTerms } from "../access/access-tokens.js";
import { Invitations, type InvitationTerms, type ListedInvitation } from "../access/invitations.js";
import { openAccess } from "../access/open-access.js";
import { loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import type { Surroundings } from "./surroundings.js";

export interface TokensOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Opens the access store that a configuration names; coordinators may run meanwhile. */
async function openConfiguredAccess(config: string, { environment }: Surroundings): Promise<AccessStore> {
  return openAccess(await storagePlaces(await loadConfig(config, environment), environment));
}

async function withTokens(
  { config }: TokensOptions,
  surroundings: Surroundings,
  work: (tokens: AccessTokens) => Promise<void>,
): Promise<void> {
  await using store = await openConfiguredAccess(config, surroundings);
  await work(new AccessTokens(store, Date));
}

/** Makes a token and prints it: nobody can be shown it again. */
export async function createToken(options: TokensOptions, terms: TokenTerms, around: Surroundings): Promise<void> {
  await withTokens(options, around, async (tokens) => printMade(options, await tokens.create(terms), around));
}

/** Makes a token in the place of another, which ends after `graceMs`. */
export async function rotateToken(
  options: TokensOptions,
  id: string,
  graceMs: number,
  around: Surroundings,
): Promise<void> {
  await withTokens(options, around, async (tokens) => printMade(options, await tokens.rotate(id, graceMs), around));
}

/** Ends a token at once, in a coordinator that runs too. */
export async function revokeToken(
  options: TokensOptions,
  id: string,
  { print, ...around }: Surroundings,
): Promise<void> {
  await withTokens(options, { print, ...around }, async (tokens) => {
    await tokens.revoke(id);
    print(options.json ? `${JSON.stringify({ revoked: id })}\n` : `Token ${id} is revoked.\n`);
  });
}

/** Lists tokens, without their secrets. */
export async function listTokens(options: TokensOptions, around: Surroundings): Promise<void> {
  await withTokens(options, around, async (tokens) => {
    const list = await tokens.list();
    if (options.json) around.print(`${JSON.stringify({ tokens: list })}\n`);
    else if (list.length === 0) around.print("There are no tokens. Make one with fedloop tokens create.\n");
    else around.print(`${list.map(lineOf).join("\n")}\n`);
  });
}

function lineOf({ tokenId, name, role, populations, state, expiresMs }: ListedToken): string {
  const scope = populations === null ? "all populations" : populations.join(", ");
  return `${tokenId}  ${role.padEnd(8)}  ${state.padEnd(7)}  ends ${new Date(expiresMs).toISOString()}  ${scope}  ${name}`;
}

function printMade({ json }: TokensOptions, made: MadeToken, { print }: Surroundings): void {
  if (json) print(`${JSON.stringify(made)}\n`);
  else print(`${lineOf(made)}\n\n${made.token}\n\nThis is the only time it is shown: only its hash is kept.\n`);
}

/** Makes an invitation and prints it: nobody can be shown it again. */
export async function createInvitation(
  options: TokensOptions,
  terms: InvitationTerms,
  around: Surroundings,
): Promise<void> {
  await using store = await openConfiguredAccess(options.config, around);
  const made = await new Invitations(store, Date).create(terms);
  if (options.json) around.print(`${JSON.stringify(made)}\n`);
  else
    around.print(
      `${invitationLine(made)}\n\n${made.invitation}\n\nThis is the only time it is shown: only its hash is kept.\n`,
    );
}

/** Ends an invitation at once, in a coordinator that runs too. */
export async function revokeInvitation(options: TokensOptions, id: string, around: Surroundings): Promise<void> {
  await using store = await openConfiguredAccess(options.config, around);
  await new Invitations(store, Date).revoke(id);
  around.print(options.json ? `${JSON.stringify({ revoked: id })}\n` : `Invitation ${id} is revoked.\n`);
}

/** Lists invitations, with how often each was used. */
export async function listInvitations(options: TokensOptions, around: Surroundings): Promise<void> {
  await using store = await openConfiguredAccess(options.config, around);
  const list = await new Invitations(store, Date).list();
  if (options.json) around.print(`${JSON.stringify({ invitations: list })}\n`);
  else if (list.length === 0) around.print("There are no invitations. Make one with fedloop invitations create.\n");
  else around.print(`${list.map(invitationLine).join("\n")}\n`);
}

function invitationLine({ id, name, population, uses, used, state, expiresMs }: ListedInvitation): string {
  const scope = population ?? "all populations";
  return `${id}  ${state.padEnd(7)}  used ${used} of ${uses}  ends ${new Date(expiresMs).toISOString()}  ${scope}  ${name}`;
}
