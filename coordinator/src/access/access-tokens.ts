import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import type { AccessStore, AccessTokensTable } from "./access-store.js";

/**
 * What the holder of a token is:
 *
 * - `operator` runs the federation: everything that the API can do;
 * - `auditor` reads what proves how it was run: the log, bundles, budgets, and all that a viewer reads;
 * - `viewer` reads how it stands: rounds, metrics, models, health.
 */
export const ROLES = ["operator", "auditor", "viewer"] as const;

export type Role = (typeof ROLES)[number];

/** What a token is good for. */
export interface Access {
  /** Public name of the token, for logs. */
  readonly tokenId: string;
  readonly name: string;
  readonly role: Role;
  /** The populations that it speaks for; null for all. */
  readonly populations: readonly string[] | null;
}

/** A token as lists show it: never its secret, nor the hash of it. */
export interface ListedToken extends Access {
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly revokedMs: number | null;
  readonly state: "valid" | "expired" | "revoked";
}

/** A new token, the one time that it is whole. */
export interface MadeToken extends ListedToken {
  /** What its holder sends: `Authorization: Bearer …`. Not kept anywhere here. */
  readonly token: string;
}

export interface TokenTerms {
  readonly name: string;
  readonly role: Role;
  readonly populations: readonly string[] | null;
  /** How long it is good for, milliseconds, at most `LONGEST_LIFE_MS`. */
  readonly lifeMs: number;
}

export const LONGEST_LIFE_MS: number = 366 * 24 * 60 * 60 * 1_000;

/** Tokens of operators that are remembered, the newest. */
const MOST_REMEMBERED = 1_000;

/** The prefix lets scanners of source code find a token that was committed by mistake. */
const FORM = /^fedloop_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

const populationList = z.array(z.string());
const role = z.enum(ROLES);

/** Stands for the hash of tokens that are not there, so that finding none takes as long as finding one. */
const NOBODY: Buffer = Buffer.alloc(32);

/**
 * The tokens of the HTTP API.
 *
 * The store has the SHA-256 of each secret and nothing slower: a secret is 256 random bits, which nobody finds by
 * guessing, so a slow hash, made for passwords that people choose, would only cost time on each request. A token is found
 * by its public id; its secret is compared in constant time.
 */
export class AccessTokens {
  readonly #store: AccessStore;
  readonly #clock: { now(): number };
  /** Operators' tokens as the store had them last. */
  #operators: ReadonlyMap<string, AccessTokensTable> = new Map();

  constructor(store: AccessStore, clock: { now(): number }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Makes a token. @throws CoordinatorError USAGE for a life that is none or too long */
  async create(terms: TokenTerms): Promise<MadeToken> {
    const { name, populations, lifeMs } = terms;
    if (!(lifeMs > 0 && lifeMs <= LONGEST_LIFE_MS)) {
      throw new CoordinatorError("USAGE", "expected a token to be good for more than nothing and at most 366 days");
    }
    const id = randomBytes(6).toString("hex");
    const secret = randomBytes(32).toString("base64url");
    const created = this.#clock.now();
    const row: AccessTokensTable = {
      id,
      name,
      role: terms.role,
      populations: populations === null ? null : JSON.stringify(populations),
      sha256: hashOf(secret),
      created_ms: created,
      expires_ms: created + Math.ceil(lifeMs),
      revoked_ms: null,
    };
    await this.#store.db.insertInto("access_tokens").values(row).execute();
    return { ...listed(row, created), token: `fedloop_${id}_${secret}` };
  }

  /** All tokens, in the order in which they were made. */
  async list(): Promise<ListedToken[]> {
    const rows = await this.#store.db
      .selectFrom("access_tokens")
      .selectAll()
      .orderBy("created_ms")
      .orderBy("id")
      .execute();
    return rows.map((row) => listed(row, this.#clock.now()));
  }

  /** Ends a token at once. @throws CoordinatorError NOT_FOUND */
  async revoke(id: string): Promise<void> {
    await this.#find(id);
    await this.#store.db
      .updateTable("access_tokens")
      .set({ revoked_ms: this.#clock.now() })
      .where("id", "=", id)
      .where("revoked_ms", "is", null)
      .execute();
  }

  /**
   * Makes a token of the same name, role and scope, good for as long as the one before was made for. That one ends after
   * `graceMs`, so that its holders can change over.
   *
   * @throws CoordinatorError NOT_FOUND; WRONG_STATE for one that has expired or was revoked
   */
  async rotate(id: string, graceMs: number): Promise<MadeToken> {
    const row = await this.#find(id);
    const now = this.#clock.now();
    const { state, name, role, populations, createdMs, expiresMs } = listed(row, now);
    if (state !== "valid") {
      throw new CoordinatorError("WRONG_STATE", `expected a token in force, ${id} is ${state}; create a new one`);
    }
    const made = await this.create({ name, role, populations, lifeMs: expiresMs - createdMs });
    await this.#store.db
      .updateTable("access_tokens")
      .set({ expires_ms: Math.min(row.expires_ms, now + graceMs) })
      .where("id", "=", id)
      .execute();
    return made;
  }

  /** What a token is good for now; undefined when it is for nothing: unknown, expired, revoked or not a token at all. */
  async verify(token: string): Promise<Access | undefined> {
    const id = FORM.exec(token)?.[1];
    if (id === undefined) return undefined;
    return this.#accessBy(
      token,
      await this.#store.db.selectFrom("access_tokens").selectAll().where("id", "=", id).executeTakeFirst(),
    );
  }

  /** Reads the operators' tokens in force, for the time when their store cannot be reached. */
  async remember(): Promise<void> {
    const now = this.#clock.now();
    const rows = await this.#store.db
      .selectFrom("access_tokens")
      .selectAll()
      .where("role", "=", "operator" satisfies Role)
      .where("revoked_ms", "is", null)
      .where("expires_ms", ">", now)
      .orderBy("created_ms", "desc")
      .limit(MOST_REMEMBERED)
      .execute();
    this.#operators = new Map(rows.map((row) => [row.id, row]));
  }

  /** The same as `verify` by what was last remembered: a token that was revoked since still counts. */
  verifyRemembered(token: string): Access | undefined {
    return this.#accessBy(token, this.#operators.get(FORM.exec(token)?.[1] ?? ""));
  }

  #accessBy(token: string, row: AccessTokensTable | undefined): Access | undefined {
    const secret = FORM.exec(token)?.[2] ?? "";
    const isRight = timingSafeEqual(hashOf(secret), row === undefined ? NOBODY : Buffer.from(row.sha256));
    if (row === undefined || !isRight) return undefined;
    const { state, ...access } = listed(row, this.#clock.now());
    return state === "valid" ? access : undefined;
  }

  async #find(id: string): Promise<AccessTokensTable> {
    const row = await this.#store.db.selectFrom("access_tokens").selectAll().where("id", "=", id).executeTakeFirst();
    if (row !== undefined) return row;
    throw new CoordinatorError(
      "NOT_FOUND",
      `expected the id of a token, 12 hexadecimal digits, nothing has "${id.slice(0, 40)}"; see fedloop tokens list`,
    );
  }
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function listed(row: AccessTokensTable, now: number): ListedToken {
  const state = row.revoked_ms !== null ? "revoked" : row.expires_ms <= now ? "expired" : "valid";
  return {
    tokenId: row.id,
    name: row.name,
    role: role.parse(row.role),
    populations: row.populations === null ? null : populationList.parse(JSON.parse(row.populations)),
    createdMs: row.created_ms,
    expiresMs: row.expires_ms,
    revokedMs: row.revoked_ms,
    state,
  };
}
