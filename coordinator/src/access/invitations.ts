import { createHash, randomBytes } from "node:crypto";
import { CoordinatorError } from "../errors.js";
import type { AccessStore, InvitationsTable } from "./access-store.js";
import { LONGEST_LIFE_MS } from "./access-tokens.js";

/** An invitation as lists show it: never the invitation itself, nor its hash. */
export interface ListedInvitation {
  readonly id: string;
  readonly name: string;
  /** The population that it lets in; null for all. */
  readonly population: string | null;
  readonly uses: number;
  readonly used: number;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly revokedMs: number | null;
  readonly state: "valid" | "used" | "expired" | "revoked";
}

/** A new invitation, the one time that it is whole. */
export interface MadeInvitation extends ListedInvitation {
  readonly invitation: string;
}

export interface InvitationTerms {
  readonly name: string;
  readonly population: string | null;
  /** How many devices it lets in. */
  readonly uses: number;
  readonly lifeMs: number;
}

/** For this long a device that asks again after a lost answer costs no second use; then nothing tells who was let in. */
const REPEAT_MS = 10 * 60 * 1_000;

/**
 * Invitations to enroll: 256 random bits each, of which the SHA-256 is kept. They are found by that hash: what a guess
 * hashes to cannot be steered, so the time that a look-up takes tells nothing about the hashes that are there.
 */
export class Invitations {
  readonly #store: AccessStore;
  readonly #clock: { now(): number };

  constructor(store: AccessStore, clock: { now(): number }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Makes an invitation. @throws CoordinatorError USAGE for a life that is none or too long */
  async create({ name, population, uses, lifeMs }: InvitationTerms): Promise<MadeInvitation> {
    if (!(lifeMs > 0 && lifeMs <= LONGEST_LIFE_MS)) {
      throw new CoordinatorError(
        "USAGE",
        "expected an invitation to be good for more than nothing and at most 366 days",
      );
    }
    const invitation = `fedloop_invitation_${randomBytes(32).toString("base64url")}`;
    const created = this.#clock.now();
    const row: InvitationsTable = {
      sha256: hashOf(invitation),
      id: randomBytes(6).toString("hex"),
      name,
      population,
      uses,
      used: 0,
      created_ms: created,
      expires_ms: created + Math.ceil(lifeMs),
      revoked_ms: null,
    };
    await this.#store.db.insertInto("invitations").values(row).execute();
    return { ...listed(row, created), invitation };
  }

  /** All invitations, in the order in which they were made. */
  async list(): Promise<ListedInvitation[]> {
    const rows = await this.#store.db
      .selectFrom("invitations")
      .selectAll()
      .orderBy("created_ms")
      .orderBy("id")
      .execute();
    return rows.map((row) => listed(row, this.#clock.now()));
  }

  /** Ends an invitation at once; who is in stays in. @throws CoordinatorError NOT_FOUND */
  async revoke(id: string): Promise<void> {
    const { numUpdatedRows } = await this.#store.db
      .updateTable("invitations")
      .set({ revoked_ms: this.#clock.now() })
      .where("id", "=", id)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return;
    throw new CoordinatorError(
      "NOT_FOUND",
      `expected the id of an invitation, nothing has "${id.slice(0, 40)}"; see fedloop invitations list`,
    );
  }

  /**
   * Uses an invitation up by one. The same device a moment later uses it no second time.
   *
   * @throws CoordinatorError TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_USED
   */
  async admit(invitation: string, population: string, publicKey: Uint8Array): Promise<void> {
    const now = this.#clock.now();
    const sha256 = hashOf(invitation);
    const admitted = createHash("sha256").update(`${population}\n`).update(publicKey).digest();
    await this.#store.db
      .deleteFrom("admissions")
      .where("at_ms", "<", now - REPEAT_MS)
      .execute();
    await this.#store.db.transaction().execute(async (tx) => {
      // A write first: from here on no other process lets anybody in by this invitation, and what is read stays true.
      await tx
        .updateTable("invitations")
        .set(({ ref }) => ({ used: ref("used") }))
        .where("sha256", "=", sha256)
        .execute();
      const row = await tx.selectFrom("invitations").selectAll().where("sha256", "=", sha256).executeTakeFirst();
      if (row === undefined || row.revoked_ms !== null || (row.population ?? population) !== population) {
        throw new CoordinatorError("TOKEN_INVALID", "expected an invitation to this population, came an unknown one");
      }
      if (row.expires_ms <= now) {
        throw new CoordinatorError(
          "TOKEN_EXPIRED",
          "expected an invitation in force, came an expired one; ask for a new one",
        );
      }
      const known = await tx
        .selectFrom("admissions")
        .select("at_ms")
        .where("sha256", "=", sha256)
        .where("admitted", "=", admitted)
        .executeTakeFirst();
      if (known !== undefined) return;
      const { numUpdatedRows } = await tx
        .updateTable("invitations")
        .set(({ eb }) => ({ used: eb("used", "+", 1) }))
        .where("sha256", "=", sha256)
        .whereRef("used", "<", "uses")
        .executeTakeFirst();
      if (numUpdatedRows === 0n) {
        throw new CoordinatorError("TOKEN_USED", "expected an invitation that is not used up; ask for a new one");
      }
      await tx.insertInto("admissions").values({ sha256, admitted, at_ms: now }).execute();
    });
  }
}

function hashOf(invitation: string): Buffer {
  return createHash("sha256").update(invitation).digest();
}

function listed(row: InvitationsTable, now: number): ListedInvitation {
  const ended = row.expires_ms <= now ? "expired" : row.used >= row.uses ? "used" : "valid";
  return {
    id: row.id,
    name: row.name,
    population: row.population,
    uses: row.uses,
    used: row.used,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms,
    revokedMs: row.revoked_ms,
    state: row.revoked_ms === null ? ended : "revoked",
  };
}
