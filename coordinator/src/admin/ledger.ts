import { openCheckpoint } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import * as z from "zod";
import type { AdminDependencies } from "./dependencies.js";
import type { ZodRoutes } from "./zod-routes.js";

const ledgerSchema = z
  .object({
    origin: z.string().describe("the log's name"),
    verifierKey: z.string().describe("what its checkpoints are verified by"),
    size: z.int().describe("entries, all durable"),
    root: z.string().describe("of the tree over them, base64url"),
    published: z.object({
      size: z.int().describe("entries that witnesses, mirrors and auditors can see"),
      checkpoint: z.string().describe("C2SP signed note"),
    }),
    quorum: z.int().describe("witnesses that must have cosigned before anything is published"),
    witnesses: z.array(
      z.object({
        name: z.string(),
        verifierKey: z.string(),
        cosignedMs: z.int().nullable().describe("when it cosigned the published checkpoint; null where it did not"),
      }),
    ),
  })
  .meta({ id: "Ledger" });

/** The transparency log: its head, and who vouches for it. */
export function addLedger(app: ZodRoutes, deps: AdminDependencies): void {
  app.get(
    "/ledger",
    {
      onRequest: deps.guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "getLedger",
        summary: "The head of the log, and its witnesses",
        tags: ["ledger"],
        response: { 200: ledgerSchema },
      },
    },
    async () => {
      const { ledger, publisher, origin, verifierKey, witnesses, quorum } = deps;
      const head = ledger.checkpoint();
      const checkpoint = publisher.checkpoint();
      const trust = { vkey: verifierKey, witnesses: witnesses.map(({ vkey }) => vkey) };
      const published = await openCheckpoint(checkpoint, trust, nodeVerifier());
      const cosigned = new Map(
        published.witnesses.map(({ name, timestampSeconds }) => [name, timestampSeconds * 1_000]),
      );
      return {
        origin,
        verifierKey,
        size: head.size,
        root: Buffer.from(head.root).toString("base64url"),
        published: { size: published.size, checkpoint },
        quorum,
        witnesses: witnesses.map(({ name, vkey }) => ({
          name,
          verifierKey: vkey,
          cosignedMs: cosigned.get(name) ?? null,
        })),
      };
    },
  );
}
