import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { Kysely } from "kysely";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import type { Ledger, LedgerTransaction } from "../ledger/ledger.js";
import type { Database, Store } from "../store/database.js";

/** How long an answer is kept under its key, milliseconds. */
const KEPT_MS = 24 * 60 * 60 * 1_000;

/** The header of every POST. */
export const idempotencyHeaders: z.ZodType<IdempotencyHeaders> = z.looseObject({
  "idempotency-key": z
    .string({ error: "an Idempotency-Key of 16 to 200 characters, another for each thing to be done" })
    .regex(/^[\x21-\x7e]{16,200}$/, "an Idempotency-Key of 16 to 200 characters, another for each thing to be done")
    .describe("another for each thing to be done, such as a UUID; the same when a request is sent again"),
});

interface IdempotencyHeaders {
  readonly "idempotency-key": string;
}

/** What a POST did. */
export interface Done<Answer> {
  readonly status: number;
  readonly answer: Answer;
}

/**
 * Does what a POST asks for once for each key: the answer is written in the transaction of the effect, so there is never one
 * without the other, whenever the process ends. The same key for something else is refused.
 *
 * @param work has its effect through the transaction alone
 * @throws CoordinatorError CONFLICT; what the work throws, and then the key is free again
 */
export async function once<Answer>(
  ledger: Ledger,
  clock: { now(): number },
  request: FastifyRequest,
  work: (tx: LedgerTransaction) => Promise<Done<Answer>>,
): Promise<Done<Answer>> {
  const { key, asked } = keyOf(request);
  const { result } = await ledger.commit(async ({ db, ...tx }): Promise<Done<Answer>> => {
    const known = await remembered<Answer>(db, request);
    if (known !== undefined) return known;
    const now = clock.now();
    const done = await work({ db, ...tx });
    await db
      .deleteFrom("idempotency")
      .where("created_ms", "<", now - KEPT_MS)
      .execute();
    await db
      .insertInto("idempotency")
      .values({ key, request: asked, status: done.status, answer: JSON.stringify(done.answer), created_ms: now })
      .execute();
    return done;
  });
  return result;
}

/**
 * The same for an effect that is not in the database alone, and of which a second time changes nothing: it comes first, and its answer
 * is kept under the key.
 *
 * @throws CoordinatorError CONFLICT; what the work throws, and then the key is free again
 */
export async function onceAround<Answer>(
  ledger: Ledger,
  store: Pick<Store, "db">,
  clock: { now(): number },
  request: FastifyRequest,
  work: () => Promise<Done<Answer>>,
): Promise<Done<Answer>> {
  const known = await remembered<Answer>(store.db, request);
  if (known !== undefined) return known;
  const done = await work();
  return once(ledger, clock, request, () => Promise.resolve(done));
}

function keyOf(request: FastifyRequest): { readonly key: Buffer; readonly asked: Buffer } {
  return {
    key: hash([request.access?.tokenId ?? "", String(request.headers["idempotency-key"])]),
    asked: hash([request.method, request.url, JSON.stringify(request.body ?? null)]),
  };
}

/** What was done under a request's key; undefined where nothing was. @throws CoordinatorError CONFLICT for something else */
async function remembered<Answer>(db: Kysely<Database>, request: FastifyRequest): Promise<Done<Answer> | undefined> {
  const { key, asked } = keyOf(request);
  const known = await db.selectFrom("idempotency").selectAll().where("key", "=", key).executeTakeFirst();
  if (known === undefined) return undefined;
  if (asked.equals(known.request)) return { status: known.status, answer: JSON.parse(known.answer) };
  throw new CoordinatorError("CONFLICT", "expected another Idempotency-Key for another request, came a used one");
}

function hash(parts: readonly string[]): Buffer {
  return createHash("sha256").update(JSON.stringify(parts)).digest();
}
