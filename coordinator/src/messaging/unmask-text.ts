/** What is to be taken out of a group's sum, as text for another process. */
import type { UnmaskWork } from "@fedloop/privacy/secagg";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, "base64")));
const integer = z.int().nonnegative();
const shares = z.object({ coordinates: z.array(integer), values: bytes });
const fraction = z.number().min(0).lt(1);
const graph = z.discriminatedUnion("type", [
  z.object({ type: z.literal("complete") }),
  z.object({
    type: z.literal("harary"),
    corruptFraction: fraction,
    dropoutFraction: fraction,
    adversary: z.enum(["none", "semi-honest", "semi-malicious"]),
  }),
]);
const parameters = z.object({
  session: bytes,
  round: integer,
  planHash: bytes,
  modelHash: bytes,
  length: z.int().positive(),
  bits: z.int().min(1).max(32),
  valueBound: integer,
  overflow: z.enum(["impossible", "improbable"]),
  graph,
  minimumMembers: integer,
  maximumMembers: integer,
  minimumSurvivors: integer,
});
const work = z.object({
  parameters,
  sharing: z.object({ holders: integer, threshold: integer }),
  tasks: z.array(
    z.discriminatedUnion("type", [
      z.object({ type: z.literal("self-mask"), member: integer, shares, commitment: bytes }),
      z.object({
        type: z.literal("pair-masks"),
        member: integer,
        shares,
        maskPublicKey: bytes,
        survivors: z.array(z.object({ member: integer, maskPublicKey: bytes })),
      }),
    ]),
  ),
});

/** @returns UTF-8 of JSON, bytes as base64 */
export function unmaskText(value: UnmaskWork): Uint8Array {
  // By the holder: a Buffer is made into something else before a replacer sees it.
  const text = JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key: string, field: unknown) {
    const own = this[key];
    return own instanceof Uint8Array ? Buffer.from(own).toString("base64") : field;
  });
  return Buffer.from(text);
}

/** @throws CoordinatorError BAD_DATA */
export function parseUnmaskText(text: Uint8Array): UnmaskWork {
  try {
    return work.parse(JSON.parse(Buffer.from(text).toString()));
  } catch (cause) {
    throw new CoordinatorError("BAD_DATA", "expected what takes masks out, came another message", { cause });
  }
}
