import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import type { Ledger, LedgerTransaction } from "../ledger/ledger.js";

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
  const key = hash([request.access?.tokenId ?? "", String(request.headers["idempotency-key"])]);
  const asked = hash([request.method, request.url, JSON.stringify(request.body ?? null)]);
  const { result } = await ledger.commit(async ({ db, ...tx }): Promise<Done<Answer>> => {
    const known = await db.selectFrom("idempotency").selectAll().where("key", "=", key).executeTakeFirst();
    if (known !== undefined) {
      if (!asked.equals(known.request)) {
        throw new CoordinatorError("CONFLICT", "expected another Idempotency-Key for another request, came a used one");
      }
      return { status: known.status, answer: JSON.parse(known.answer) };
    }
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

function hash(parts: readonly string[]): Buffer {
  return createHash("sha256").update(JSON.stringify(parts)).digest();
}
